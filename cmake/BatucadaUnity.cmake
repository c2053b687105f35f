# Several files as one compilation (BATUCADA_UNITY): what they include is read once for all of them. For whoever compiles
# everything once, as `./dev serve` does first. Off where files are worked on: each would be compiled with its neighbours.
# A file's own names must then differ from its neighbours': tests/style/own_names_test.py.

if(BATUCADA_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Half a gigabyte before gcc first looks for garbage, which takes a tenth of the time of such large compilations.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:--param ggc-min-heapsize=524288>")
endif()

# In groups of up to ten files, of about the same number each. Not kernels, whose files include themselves, once for each
# instruction set.
function(batucada_use_unity target)
  if(NOT BATUCADA_UNITY OR target MATCHES "^batucada_kernels")
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(LENGTH sources files)
  math(EXPR groups "(${files} + 9) / 10")
  math(EXPR size "(${files} + ${groups} - 1) / ${groups}")
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
endfunction()
