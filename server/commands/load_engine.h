// The engine with its weights, and how far loading them is, for whoever waits at a terminal.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace batucada {

// Engine::Create; on standard error a bar meanwhile if that is a terminal, else a line every half a minute.
absl::StatusOr<std::unique_ptr<Engine>> LoadEngine(const EngineConfig& config, const std::string& name,
                                                   EngineObserver* observer = nullptr);

}  // namespace batucada
