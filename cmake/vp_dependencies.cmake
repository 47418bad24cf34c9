# All dependencies, each with the layer that uses it. All are Debian packages.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)     # run: keeps oneDNN to one thread per call
find_package(fmt REQUIRED)                       # anywhere: messages
find_package(FlatBuffers REQUIRED)               # wire, formats/tflite
find_package(dnnl REQUIRED)                      # run
find_package(PkgConfig REQUIRED)
find_package(hwy REQUIRED)                       # kernels
find_package(simdjson REQUIRED)                  # eval: data sets
find_package(pugixml REQUIRED)                   # eval: data sets in XML
find_package(yaml-cpp REQUIRED)                  # eval: data sets described in YAML
find_package(JPEG REQUIRED)                      # eval: images
find_package(PNG REQUIRED)                       # eval: images
pkg_check_modules(webp REQUIRED IMPORTED_TARGET libwebp) # eval: images
pkg_check_modules(curl REQUIRED libcurl)                       # cloud: its headers; curl_library.cc loads it
find_package(Boost 1.81 REQUIRED)                               # cloud: the prediction endpoint (Beast and Asio, header-only)
find_package(ZLIB REQUIRED)                                     # cloud: gzip bodies; package: the size of a download
pkg_check_modules(brotli REQUIRED IMPORTED_TARGET libbrotlidec) # cloud: Brotli bodies
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)      # package: archives
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto)   # package: the SHA-1 of manifests; cloud: Base64
find_package(CLI11 REQUIRED)                     # tools
find_package(nlohmann_json REQUIRED)             # anywhere except base, kernels and codecs
find_path(VP_EXPECTED_INCLUDE tl/expected.hpp REQUIRED)   # everywhere: Result
find_path(VP_PROTOZERO_INCLUDE protozero/pbf_reader.hpp REQUIRED) # wire, formats/coreml
if(VP_TESTS)
  find_package(GTest REQUIRED)
endif()
