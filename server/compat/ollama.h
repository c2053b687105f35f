// Ollama's API, in two files: what is asked for and how it is told (ollama.cc), and what the model is
// (ollama_models.cc).
#pragma once

#include <string>

#include "server/http/route_list.h"

namespace batucada {

// The name without Ollama's tag for whatever is newest, unless the server knows it so.
std::string WithoutLatest(const std::string& name, const Service& service);

void AddOllamaModels(RouteList& list);  // /api/tags, /api/show, /api/version

}  // namespace batucada
