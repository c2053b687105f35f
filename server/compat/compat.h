// Other servers' APIs, as far as they are simple: one file for each, all through the same translation.
#pragma once

#include "server/http/route_list.h"

namespace batucada {

void AddTgi(RouteList& list);        // tgi.cc: Text Generation Inference
void AddLlamaCpp(RouteList& list);   // llamacpp.cc: llama.cpp's server
void AddOllama(RouteList& list);     // ollama.cc
void AddAnthropic(RouteList& list);  // anthropic.cc
void AddSglang(RouteList& list);     // sglang.cc

// All of them.
inline void AddCompat(RouteList& list) {
  AddTgi(list);
  AddLlamaCpp(list);
  AddOllama(list);
  AddAnthropic(list);
  AddSglang(list);
}

}  // namespace batucada
