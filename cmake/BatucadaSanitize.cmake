# Sanitizer builds (-DBATUCADA_SANITIZE=address,undefined or thread): flags for our code, and the environment their
# tests need because the libraries from the distribution are not instrumented.

set(BATUCADA_TEST_ENVIRONMENT "")
if(NOT BATUCADA_SANITIZE)
  return()
endif()

set(suppressions ${PROJECT_SOURCE_DIR}/cmake/sanitizers)
# A finding stops the program: a report nobody sees is no test.
set(flags -fsanitize=${BATUCADA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
add_link_options(-fsanitize=${BATUCADA_SANITIZE})

# Inline container and arena code of Abseil and Protobuf marks memory in our instrumented objects and not in theirs, so
# that these two checks would report containers which both sides touched.
set(asan detect_container_overflow=0:allow_user_poisoning=0:detect_stack_use_after_return=1:strict_string_checks=1)
list(APPEND BATUCADA_TEST_ENVIRONMENT
  ASAN_OPTIONS=${asan}
  LSAN_OPTIONS=suppressions=${suppressions}/lsan.supp:print_suppressions=0
  UBSAN_OPTIONS=print_stacktrace=1
  TSAN_OPTIONS=suppressions=${suppressions}/tsan.supp:halt_on_error=1:second_deadlock_stack=1)
