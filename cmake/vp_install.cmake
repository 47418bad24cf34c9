# `cmake --install` and `find_package(visionpress)`.
include(CMakePackageConfigHelpers)

install(TARGETS visionpress EXPORT visionpressTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/visionpress DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT visionpressTargets NAMESPACE visionpress::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/visionpress)
configure_package_config_file(cmake/visionpressConfig.cmake.in ${PROJECT_BINARY_DIR}/visionpressConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/visionpress)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/visionpressConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/visionpressConfig.cmake ${PROJECT_BINARY_DIR}/visionpressConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/visionpress)
