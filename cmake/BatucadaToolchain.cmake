# Language level, warnings, compiler cache, linker and CUDA detection.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
# Linking is the longest serial part of a rebuild; archives keep it short.
set(BUILD_SHARED_LIBS OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()

# The base directory makes objects of one checkout hit in another. What is compiled once (BATUCADA_UNITY) needs no cache,
# which would read every file twice.
find_program(CCACHE ccache)
if(CCACHE AND NOT BATUCADA_UNITY)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1)
  if(BATUCADA_PCH)
    list(APPEND CMAKE_CXX_COMPILER_LAUNCHER CCACHE_SLOPPINESS=pch_defines,time_macros)
  endif()
  list(APPEND CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# A test binary that pulls in the server takes seconds with the default linker. Not mold: Debian 12's (1.10) lays the
# read-only part of a program whose only thread-local variables are zero over an unmapped page, and it does not start.
include(CheckLinkerFlag)
foreach(linker lld gold)
  check_linker_flag(CXX -fuse-ld=${linker} BATUCADA_LINKER_${linker})
  if(BATUCADA_LINKER_${linker})
    add_link_options($<$<LINK_LANGUAGE:CXX>:-fuse-ld=${linker}>)
    break()
  endif()
endforeach()

# Programs look beside themselves first, also for what their libraries need: `./dev dist` puts copies there.
set(CMAKE_BUILD_RPATH "$ORIGIN/../lib")
add_link_options($<$<LINK_LANGUAGE:CXX>:-Wl,--disable-new-dtags>)

# Our own code compiles with these as errors; third-party headers come from imported targets, which are SYSTEM.
option(BATUCADA_WERROR "Treat warnings in our code as errors" ON)
# Designated initialisers leave fields at their defaults on purpose: that is no missing initialiser.
set(BATUCADA_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wno-missing-field-initializers)
# gcc 12 raises false alarms of these inside std::variant and std::string at -O2; clang-tidy and the sanitizers look for
# the real ones.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  list(APPEND BATUCADA_WARNINGS -Wno-maybe-uninitialized -Wno-restrict)
  if(BATUCADA_PCH) # and of this one where the library's headers are precompiled
    list(APPEND BATUCADA_WARNINGS -Wno-stringop-overflow)
  endif()
endif()
if(BATUCADA_UNITY) # a file's own names may shadow its neighbours', and its own types are taken for a header's
  list(APPEND BATUCADA_WARNINGS -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
set(BATUCADA_CUDA_WARNINGS -Xcompiler=-Wall,-Wextra)
if(BATUCADA_WERROR)
  list(APPEND BATUCADA_WARNINGS -Werror)
  list(APPEND BATUCADA_CUDA_WARNINGS -Xcompiler=-Werror --Werror=cross-execution-space-call,reorder)
endif()
add_library(batucada_warnings INTERFACE)
target_compile_options(batucada_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${BATUCADA_WARNINGS}>" "$<$<COMPILE_LANGUAGE:CUDA>:${BATUCADA_CUDA_WARNINGS}>")

set(BATUCADA_HAVE_CUDA OFF)
if(BATUCADA_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    # sm_90a holds Hopper's wgmma and bulk copies; compute_80 PTX is the fallback for everything from Ampere on.
    set(CMAKE_CUDA_ARCHITECTURES 80-virtual 90a-real CACHE STRING "CUDA architectures")
    enable_language(CUDA)
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.0) # many copies at once by the copy engines (cudaMemcpyBatchAsync)
      message(FATAL_ERROR "CUDA ${CMAKE_CUDA_COMPILER_VERSION} is too old: install CUDA 13.0 or later, or configure with "
                          "-DBATUCADA_CUDA=OFF")
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # CMake 3.25 does not know it yet
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    endif()
    if(NOT TARGET CUDA::nvToolsExt) # CMake 3.25 sets a property of it, and CUDA 13 has no such library
      add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
    endif()
    find_package(CUDAToolkit REQUIRED)
    set(BATUCADA_HAVE_CUDA ON)
  else()
    message(STATUS "nvcc not found: building without the CUDA backend")
  endif()
endif()
