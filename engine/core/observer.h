// Who wants to know what the engine does while it does it: metrics, mostly.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "engine/core/request.h"

namespace batucada {

// One finished step.
struct StepStats {
  int32_t decode_rows = 0;  // sequences that made one more token
  int32_t prompt_rows = 0;  // prompt tokens computed
  absl::Duration duration;  // from launch, or from the result of the step before, to the result
};

// Told of steps and of ends from the step loop's thread: implementations must be quick and must not call the engine.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void OnStep(const StepStats& step) = 0;
  // A sequence got a token, `gap` after the one before; not called for its first.
  virtual void OnTokenGap(absl::Duration gap) = 0;
  virtual void OnFinish(const Finish& finish) = 0;
  // Something that an operator should know, in a sentence; from any thread, at most about once a minute.
  virtual void OnWarning(const std::string& /*warning*/) {}
};

}  // namespace batucada
