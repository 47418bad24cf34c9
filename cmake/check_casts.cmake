# Refuses casts through `void*`, which do what reinterpret_cast does and pass clang-tidy 14: `view_as` (base/bytes.h) is the one place.
# First the canary must be reported: otherwise the check is off.
# usage: cmake -DSOURCE=CHECKOUT -P check_casts.cmake
cmake_minimum_required(VERSION 3.23)

# The first such cast in a file, or "".
function(find_void_cast file found)
  file(READ ${file} text)
  string(REGEX MATCH "static_cast<[^()]*>[(][ \n]*static_cast<(const )?(std::)?void( const)?[ ]?[*]( const)?>[^\n]*" cast "${text}")
  set(${found} "${cast}" PARENT_SCOPE)
endfunction()

set(canary ${SOURCE}/cmake/canary/void_cast_canary.cc)
foreach(number RANGE 1 3)
  file(READ ${canary} text)
  string(REGEX MATCH "// FAULT ${number}\n[^/]*" fault "${text}")
  set(piece ${CMAKE_CURRENT_BINARY_DIR}/void_cast_canary_${number}.cc)
  file(WRITE ${piece} "${fault}")
  find_void_cast(${piece} cast)
  file(REMOVE ${piece})
  if(cast STREQUAL "")
    message(FATAL_ERROR "fault ${number} of ${canary} is not reported: the check is off")
  endif()
endforeach()

set(faults "")
foreach(folder IN ITEMS src tools include tests fuzz bench)
  file(GLOB_RECURSE files ${SOURCE}/${folder}/*.h ${SOURCE}/${folder}/*.cc)
  list(REMOVE_ITEM files ${SOURCE}/src/base/bytes.h)
  foreach(file IN LISTS files)
    find_void_cast(${file} cast)
    if(NOT cast STREQUAL "")
      string(APPEND faults "${file}: a cast through void*, expected view_as (base/bytes.h): ${cast}\n")
    endif()
  endforeach()
endforeach()
if(faults)
  message(FATAL_ERROR "${faults}")
endif()
