// How Ollama tells an answer: a line of JSON for each piece, and a last one with figures.
#pragma once

#include <memory>

#include "server/compat/dialect.h"

namespace batucada {

enum class OllamaForm : uint8_t { kGenerate, kChat };

std::unique_ptr<Dialect> MakeOllamaDialect(OllamaForm form);

}  // namespace batucada
