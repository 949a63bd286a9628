// Nothing: what its target compiles is the header that the unit tests share (CMakeLists.txt).
