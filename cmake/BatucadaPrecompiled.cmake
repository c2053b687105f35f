# Precompiled headers (BATUCADA_PCH): most of a compilation is the C++ library and Abseil, the same for every file. For
# whoever compiles everything once and without a cache that is full, as `./dev serve` does first. Off where objects are
# to be found again in the compiler cache of another checkout: a precompiled header knows where it lies.

# batucada_precompiled(<name> SOURCE [DEPS…])      -> target batucada_pch_<name>, whose header rooms use again
function(batucada_precompiled name source)
  cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/cmake)
  cmake_path(REPLACE_EXTENSION source .h OUTPUT_VARIABLE header)
  add_library(batucada_pch_${name} OBJECT ${source})
  target_include_directories(batucada_pch_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(batucada_pch_${name} PRIVATE ${ARGN} batucada_warnings)
  target_precompile_headers(batucada_pch_${name} PRIVATE ${header})
endfunction()

if(BATUCADA_PCH)
  set(most absl::flat_hash_map absl::flat_hash_set absl::statusor absl::strings absl::time)
  batucada_precompiled(base precompiled/base.cc ${most})
  batucada_precompiled(server precompiled/server.cc ${most} Boost::headers Boost::json fmt::fmt)
  batucada_precompiled(net precompiled/net.cc ${most} Boost::headers Boost::json fmt::fmt)
  # As server/net has them: a header is compiled as those who use it would.
  target_compile_definitions(batucada_pch_net
    PRIVATE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
  if(BATUCADA_TESTS)
    batucada_precompiled(test precompiled/test.cc ${most} GTest::gmock GTest::gtest)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>) # or ccache cannot tell what an object is made of
  endif()
endif()

# Of a room's target.
function(batucada_use_precompiled name)
  if(NOT BATUCADA_PCH)
    return()
  endif()
  if(name MATCHES "^server_(net|http|grpc)$")
    target_precompile_headers(batucada_${name} REUSE_FROM batucada_pch_net)
  elseif(name MATCHES "^server" AND NOT name STREQUAL server_web) # which sees no fmt
    target_precompile_headers(batucada_${name} REUSE_FROM batucada_pch_server)
  elseif(NOT name MATCHES "^(kernels|proto)") # compiled with flags of their own
    target_precompile_headers(batucada_${name} REUSE_FROM batucada_pch_base)
  endif()
endfunction()

# Of a test, or of objects of several.
function(batucada_use_precompiled_test target)
  if(BATUCADA_PCH)
    target_precompile_headers(${target} REUSE_FROM batucada_pch_test)
    target_compile_options(${target} PRIVATE -fPIC) # a program as the library that the header was compiled for
  endif()
endfunction()
