# Sanitizer builds (-DBATUCADA_SANITIZE=address,undefined or thread): flags for our code, and the environment their
# tests need because the libraries from the distribution are not instrumented.

set(BATUCADA_TEST_ENVIRONMENT "")
if(NOT BATUCADA_SANITIZE)
  return()
endif()

# A finding stops the program: a report nobody sees is no test.
set(flags -fsanitize=${BATUCADA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
add_link_options(-fsanitize=${BATUCADA_SANITIZE})
if(BATUCADA_FUZZ)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>")
endif()

list(APPEND BATUCADA_TEST_ENVIRONMENT
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  UBSAN_OPTIONS=print_stacktrace=1
  TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/sanitizers/tsan.supp:halt_on_error=1:second_deadlock_stack=1)
