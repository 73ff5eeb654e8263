# The one place for compiler settings and for how a folder becomes a target.
#
#   regent_library(name [DEPS target...] [EXCLUDE file...])   every .cc of the folder, one static library
#   regent_test(name SOURCES file... DEPS target... [ARGS arg...] [TIMEOUT seconds])
#
# A folder is a target; its DEPS are the arrows of docs/architecture.md, and tests/tidy checks the includes against them.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD AND NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_link_options(-fuse-ld=mold)
endif()

add_library(regent_flags INTERFACE)
target_include_directories(regent_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(regent_flags INTERFACE -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                                              -Wimplicit-fallthrough -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(regent_flags INTERFACE -Wthread-safety)
else()
  # g++ 12 reports these in the standard library's own code under -O2.
  target_compile_options(regent_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(REGENT_SANITIZE)
  add_compile_options(-fsanitize=${REGENT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${REGENT_SANITIZE})
endif()

function(regent_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(excluded IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${excluded})
  endforeach()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC regent_flags ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE regent_flags ${ARG_DEPS})
  endif()
endfunction()

find_package(GTest REQUIRED)

function(regent_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;ARGS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE regent_flags ${ARG_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
