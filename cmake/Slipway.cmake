# What every room's CMakeLists.txt uses: flags, slipway_room, slipway_program, slipway_unit_test.
find_program(CCACHE ccache)
if(CCACHE)
  # Paths beneath the tree are hashed relative to it: every clone of one commit shares the same cache.
  # Depend: a miss costs no second run of the preprocessor. Sloppiness: what precompiled headers need.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_DEPEND=1
                                  CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Werror -ffunction-sections -fdata-sections
                    $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>)
# Quoted includes start at the project's root; not -I, or our sys/socket.h would hide the system's.
add_compile_options("SHELL:-iquote ${CMAKE_SOURCE_DIR}")
add_link_options(-Wl,--gc-sections -Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong -D_FORTIFY_SOURCE=2)
endif()
if(SLIPWAY_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

if(SLIPWAY_FUZZ)
  # The rooms too: a fuzzer that sees no coverage of the parser only throws dice.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

# slipway_room(NAME SOURCES … [WEAKENED …] [DEPS …]): the static library slipway_NAME, alias slipway::NAME. WEAKENED: those of the
# sources that hold a defence which attack tests switch off (base/weaken.h). SMALL: compiled for size, where a page more of a program costs
# more than an instruction more: in what runs once and is gone.
function(slipway_room name)
  cmake_parse_arguments(ARG "SMALL" "" "SOURCES;WEAKENED;DEPS" ${ARGN})
  add_library(slipway_${name} STATIC ${ARG_SOURCES})
  if(ARG_SMALL AND CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(slipway_${name} PRIVATE -Os)
  endif()
  add_library(slipway::${name} ALIAS slipway_${name})
  target_link_libraries(slipway_${name} PUBLIC ${ARG_DEPS})
  slipway_weakened_objects(${name} "${ARG_WEAKENED}" "${ARG_DEPS}")
endfunction()

# The object library slipway_NAME_weakened: the room's sources with defences, compiled with their switches.
function(slipway_weakened_objects name sources deps)
  if(SLIPWAY_TEST_WEAKEN AND NOT "${sources}" STREQUAL "")
    add_library(slipway_${name}_weakened OBJECT ${sources})
    target_compile_definitions(slipway_${name}_weakened PRIVATE SLIPWAY_WEAKENED)
    target_link_libraries(slipway_${name}_weakened PUBLIC ${deps})
  endif()
endfunction()

# slipway_weaken(TARGET ROOMS…): these rooms' switchable objects go before their libraries; the linker then passes the ordinary ones over.
function(slipway_weaken target)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:slipway_base_weakened>)
  foreach(room ${ARGN})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:slipway_${room}_weakened>)
  endforeach()
endfunction()

# slipway_weakened_program(NAME [STATIC] ROOMS …): weakened/bin/NAME of the same objects and libraries, for tests of attacks; no other rooms are compiled again.
function(slipway_weakened_program name)
  cmake_parse_arguments(ARG "STATIC" "" "ROOMS" ${ARGN})
  if(NOT SLIPWAY_TEST_WEAKEN)
    return()
  endif()
  add_executable(${name}_weakened $<TARGET_OBJECTS:${name}>)
  set_target_properties(${name}_weakened PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE CXX
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/weakened/bin)
  slipway_weaken(${name}_weakened ${ARG_ROOMS})
  get_target_property(libs ${name} LINK_LIBRARIES)
  target_link_libraries(${name}_weakened PRIVATE ${libs})
  if(ARG_STATIC AND NOT SLIPWAY_SANITIZE)
    target_link_options(${name}_weakened PRIVATE -static -no-pie)
  endif()
endfunction()

# slipway_program(NAME [STATIC] SOURCES … LIBS …): bin/NAME, and a part of the target `programs`. STATIC: no interpreter, fixed addresses, small pages to fork.
add_custom_target(programs)
function(slipway_program name)
  cmake_parse_arguments(ARG "STATIC" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  add_dependencies(programs ${name})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  if(ARG_STATIC AND NOT SLIPWAY_SANITIZE)
    target_link_options(${name} PRIVATE -static -no-pie)
  endif()
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_link_options(${name} PRIVATE -s)
  endif()
endfunction()

# What a precompiled header and those who use it must agree in. protobuf's users have NOMINMAX; nothing of a test is worth more than -O1.
# GCC 12 takes lists of strings for writes beyond an array (its bug 105329).
function(slipway_test_flags target)
  target_compile_definitions(${target} PRIVATE NOMINMAX)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE -O1 -Wno-array-bounds -Wno-stringop-overflow)
  endif()
endfunction()

# slipway_unit_test(ROOM [TIMED] SOURCES … LIBS … [LABELS …]): one Catch2 program per room, tests/unit_ROOM, one ctest of that name. TIMED: compiled
# as the room is, since the linker takes an inline function from whoever comes first, and run with no other test beside it, as LABELS root is.
function(slipway_unit_test room)
  cmake_parse_arguments(ARG "TIMED" "" "SOURCES;LIBS;LABELS" ${ARGN})
  set(target unit_${room})
  add_executable(${target} ${ARG_SOURCES} $<TARGET_OBJECTS:slipway_catch_main>)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} slipway::base)
  if(NOT ARG_TIMED)
    target_precompile_headers(${target} REUSE_FROM slipway_test_headers)
    slipway_test_flags(${target})
  endif()
  target_compile_definitions(${target} PRIVATE SLIPWAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SLIPWAY_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${target} COMMAND ${target})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  set_tests_properties(${target} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 120)
  if(ARG_TIMED OR "root" IN_LIST ARG_LABELS)
    set_tests_properties(${target} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
