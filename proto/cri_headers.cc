// Nothing: what its target compiles is the header that who speaks CRI shares (CMakeLists.txt).
