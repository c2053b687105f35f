# Every third-party package, found once. All come from Debian 12 / Ubuntu 24.04 packages: see `./dev deps`.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(openblas IMPORTED_TARGET openblas) # only benchmarks use it, as the GEMM ceiling
find_package(CLI11 REQUIRED)

if(BATUCADA_TESTS)
  find_package(GTest REQUIRED)
endif()
if(BATUCADA_BENCH)
  find_package(benchmark REQUIRED)
endif()
