// Nothing: what its target compiles is the header that the room cri and its tests share (CMakeLists.txt).
