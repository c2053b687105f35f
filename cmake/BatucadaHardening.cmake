# What the compiler and linker can do against a fault in our code becoming somebody's way in: in every object of every
# build but those under sanitizers, which look for the same faults by other means. tests/style/hardening_test.py reads
# the objects and programs.

if(BATUCADA_SANITIZE)
  return()
endif()

# 3 also checks sizes that are known only when running; it needs the C library of Debian 12 or newer.
set(hardening -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
    -D_GLIBCXX_ASSERTIONS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND hardening -fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND hardening -mbranch-protection=standard)
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${hardening}>")
list(JOIN hardening "," hardening_of_host)
add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${hardening_of_host}>")

# Programs at addresses that differ, with tables that are read-only before main() begins and no stack that runs.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
add_link_options($<$<LINK_LANGUAGE:CXX,CUDA>:LINKER:-z,relro,-z,now,-z,noexecstack>)
