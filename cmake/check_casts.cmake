# Refuses casts through `void*`: they do the same as reinterpret_cast, but clang-tidy 14 accepts them. Only `view_as` (base/bytes.h) may use one.
# The canary must be reported first; if it is not, the check does not work.
# usage: cmake -DSOURCE=CHECKOUT -P check_casts.cmake
cmake_minimum_required(VERSION 3.23)

# Sets the result to the first such cast in a file, or "".
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
