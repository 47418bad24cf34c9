# Installs the build to a folder of its own, builds the consumer against it and runs it.
# usage: cmake -DBUILD=... -DSOURCE=... -DWORK=... -DVERSION=... [-DLINK_OPTIONS=...] -P run.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${out}")
  endif()
  message(STATUS "${out}")
endfunction()
file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/prefix
    -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_EXE_LINKER_FLAGS=${LINK_OPTIONS}" "-DCMAKE_CXX_FLAGS=${LINK_OPTIONS}")
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer ${VERSION} ${WORK}/no-such-model.tflite)
run(${WORK}/prefix/bin/visionpress --version)
