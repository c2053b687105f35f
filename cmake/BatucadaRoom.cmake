# One room, one target. A room lists its sources and the rooms and libraries it may see; nothing is inherited by accident.

# batucada_room(<name> SOURCES ... [DEPS ...])      -> library target batucada_<name>
function(batucada_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS" ${ARGN})
  if(ROOM_SOURCES)
    add_library(batucada_${name} STATIC ${ROOM_SOURCES})
    target_include_directories(batucada_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(batucada_${name} PUBLIC ${ROOM_DEPS} PRIVATE batucada_warnings)
  else()
    add_library(batucada_${name} INTERFACE)
    target_include_directories(batucada_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(batucada_${name} INTERFACE ${ROOM_DEPS})
  endif()
endfunction()

# batucada_test(<name> SOURCES ... [DEPS ...] [TIMEOUT s] [LABELS ...])   -> gtest binary registered with ctest
function(batucada_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_DEPS} batucada_warnings GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE BATUCADA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} LABELS "${TEST_LABELS}")
endfunction()

# batucada_bench(<name> SOURCES ... [DEPS ...])      -> Google Benchmark binary, not run by ctest
function(batucada_bench name)
  if(NOT BATUCADA_BENCH)
    return()
  endif()
  cmake_parse_arguments(BENCH "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${BENCH_SOURCES})
  target_link_libraries(${name} PRIVATE ${BENCH_DEPS} batucada_warnings benchmark::benchmark)
  target_compile_definitions(${name} PRIVATE BATUCADA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()
