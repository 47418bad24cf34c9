# The compiler flags of all our targets. They are not in global variables, so that users of the library do not inherit them.
add_library(vp_flags INTERFACE)
target_compile_features(vp_flags INTERFACE cxx_std_20)
# No contraction: we reproduce the rounding of other runtimes, so a multiply-add may be fused only where the code says so.
target_compile_options(vp_flags INTERFACE -ffp-contract=off -fopenmp-simd
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion>)
# GCC 12 reports an overflow in fmt 9's formatter and uninitialised members of empty vectors that are
# not there. At -O2 it vectorises only loops of known length unless it is told to weigh the cost.
target_compile_options(vp_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow
  -Wno-maybe-uninitialized -fvect-cost-model=dynamic>)
# clang warns if it does not vectorize a loop that is marked for it, which happens under its sanitizers.
target_compile_options(vp_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>)
# A unity build compiles eight sources at a time, in a third of the time, because most of it goes into headers. A local name may then
# hide a name of another source, and GCC takes a source for a header and warns about classes that hold types of its unnamed namespace.
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
if(CMAKE_UNITY_BUILD)
  target_compile_options(vp_flags INTERFACE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
if(VP_DEVELOPER)
  target_compile_options(vp_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(VP_SANITIZE)
  target_compile_options(vp_flags INTERFACE -fsanitize=${VP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(vp_flags INTERFACE -fsanitize=${VP_SANITIZE})
endif()

# For code that runs once per command or request, not once per pixel or weight: -O1 needs four fifths of the compile time of -O2.
set(VP_COLD_OPTIONS $<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<CONFIG:Debug>>>:-O1>)

# vp_layer(NAME [COLD] SOURCES a.cc ... LAYERS base ... LIBRARIES fmt::fmt ...)
# Adds one layer: objects, which become part of the one library, and a static library for the layer's tests.
function(vp_layer name)
  cmake_parse_arguments(arg "COLD" "" "SOURCES;LAYERS;LIBRARIES" ${ARGN})
  add_library(vp_${name}_objects OBJECT ${arg_SOURCES})
  target_include_directories(vp_${name}_objects PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_include_directories(vp_${name}_objects SYSTEM PRIVATE ${VP_EXPECTED_INCLUDE})
  target_link_libraries(vp_${name}_objects PRIVATE vp_flags Threads::Threads ${arg_LIBRARIES})
  if(arg_COLD)
    target_compile_options(vp_${name}_objects PRIVATE ${VP_COLD_OPTIONS})
  endif()
  set_target_properties(vp_${name}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_library(vp_${name} STATIC $<TARGET_OBJECTS:vp_${name}_objects>)
  set(layers ${arg_LAYERS})
  list(TRANSFORM layers PREPEND vp_)
  target_link_libraries(vp_${name} PUBLIC ${layers} ${arg_LIBRARIES} Threads::Threads)
  set_target_properties(vp_${name} PROPERTIES LINKER_LANGUAGE CXX)
  set_property(GLOBAL APPEND PROPERTY VP_LAYERS ${name})
  set_property(GLOBAL APPEND PROPERTY VP_LAYER_LIBRARIES ${arg_LIBRARIES})
endfunction()

# vp_test(NAME SOURCES a_test.cc LAYERS base LABELS unit) adds one GoogleTest program.
function(vp_test name)
  if(NOT VP_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LAYERS;LABELS;LIBRARIES" ${ARGN})
  set(layers ${arg_LAYERS})
  list(TRANSFORM layers PREPEND vp_)
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_include_directories(${name} SYSTEM PRIVATE ${VP_EXPECTED_INCLUDE})
  target_compile_definitions(${name} PRIVATE VP_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE vp_flags ${layers} ${arg_LIBRARIES} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF) # several test files define helpers with the same name
  if(NOT TARGET unit_tests)
    add_custom_target(unit_tests)
  endif()
  add_dependencies(unit_tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600)
endfunction()

# Joins the objects of all layers into visionpress::visionpress, the one library that users link.
function(vp_join_layers)
  get_property(layers GLOBAL PROPERTY VP_LAYERS)
  get_property(libraries GLOBAL PROPERTY VP_LAYER_LIBRARIES)
  list(REMOVE_DUPLICATES libraries)
  set(objects)
  foreach(layer IN LISTS layers)
    list(APPEND objects $<TARGET_OBJECTS:vp_${layer}_objects>)
  endforeach()
  add_library(visionpress STATIC ${objects})
  add_library(visionpress::visionpress ALIAS visionpress)
  target_compile_features(visionpress PUBLIC cxx_std_20)
  target_include_directories(visionpress PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(visionpress PRIVATE ${libraries} Threads::Threads)
  set_target_properties(visionpress PROPERTIES LINKER_LANGUAGE CXX)
endfunction()
