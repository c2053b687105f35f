// What is there and has not been shown to be right.
#pragma once

#include "absl/status/status.h"
#include "engine/engine.h"

namespace batucada {

// UNIMPLEMENTED for a model whose kernels have been compared with their references on CPUs alone.
inline absl::Status CheckProven(const Engine& engine) {
  if (engine.config().backend != BackendKind::kCuda || engine.model().model_type != "phi4flash") {
    return absl::OkStatus();
  }
  return absl::UnimplementedError("phi4flash has not been proven on a GPU yet: use --backend cpu");
}

}  // namespace batucada
