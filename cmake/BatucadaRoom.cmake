# One room, one target. A room lists its sources and the rooms and libraries it may see; nothing comes by accident.

# batucada_room(<name> SOURCES ... [DEPS ...] [PRIVATE_DEPS ...])      -> library target batucada_<name>
# PRIVATE_DEPS are linked, but their headers stay out of sight of whoever uses the room.
function(batucada_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(ROOM_SOURCES)
    add_library(batucada_${name} STATIC ${ROOM_SOURCES})
    target_include_directories(batucada_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(batucada_${name} PUBLIC ${ROOM_DEPS} PRIVATE ${ROOM_PRIVATE_DEPS} batucada_warnings)
    batucada_use_precompiled(${name})
    batucada_use_unity(batucada_${name})
  else()
    add_library(batucada_${name} INTERFACE)
    target_include_directories(batucada_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(batucada_${name} INTERFACE ${ROOM_DEPS})
  endif()
endfunction()

# batucada_test(<name> SOURCES ... [DEPS ...] [TIMEOUT s] [LABELS ...])   -> gtest binary registered with ctest
function(batucada_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_DEPS} batucada_warnings GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE BATUCADA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  batucada_use_precompiled_test(${name})
  batucada_use_unity(${name})
  add_test(NAME ${name} COMMAND ${name})
  _batucada_test_properties(${name} "${TEST_TIMEOUT}" "${TEST_LABELS}")
endfunction()

# batucada_python_test(<name> SCRIPT file.py [VENV] [ARGS ...] [TIMEOUT s] [LABELS ...])
# Runs the script from the repository root; a non-zero exit fails. Without VENV it gets the system's Python and may use
# the standard library alone; with VENV the one that `./dev test` fills from tests/requirements.txt. BATUCADA_BINARY in
# its environment is the server's path.
function(batucada_python_test name)
  cmake_parse_arguments(TEST "VENV" "SCRIPT;TIMEOUT" "ARGS;LABELS" ${ARGN})
  set(python ${Python3_EXECUTABLE})
  if(TEST_VENV)
    set(python ${BATUCADA_VENV}/bin/python)
  endif()
  cmake_path(ABSOLUTE_PATH TEST_SCRIPT)
  add_test(NAME ${name} COMMAND ${python} ${TEST_SCRIPT} ${TEST_ARGS} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  _batucada_test_properties(${name} "${TEST_TIMEOUT}" "${TEST_LABELS}")
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
    PYTHONDONTWRITEBYTECODE=1 BATUCADA_BINARY=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/batucada)
endfunction()

function(_batucada_test_properties name timeout labels)
  if(NOT timeout)
    set(timeout 900) # for what hangs: others may use the machine, too
  endif()
  if(BATUCADA_SANITIZE)
    math(EXPR timeout "4 * ${timeout}")
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} LABELS "${labels}")
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ${BATUCADA_TEST_ENVIRONMENT})
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
