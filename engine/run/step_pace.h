// How long steps take and starting one costs, as seen lately: from which follows how long the plan of the next step may
// wait for who is still to come without the device ever waiting for the plan.
//
// A plan that is made early is a plan without those who come after it: they wait for the step that runs and for the one
// that is planned. Made at the last moment, they wait for the one that runs.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace batucada {

// Not thread-safe.
class StepPace {
 public:
  // The rows of a step, which decide how long it takes.
  struct Shape {
    int32_t decode_rows = 0;
    int32_t prompt_rows = 0;
  };

  void NoteStep(Shape shape, absl::Duration took) {
    absl::Duration& expected = least_[Index(shape)];
    // Falls at once and rises slowly: too short costs little, too long makes the device wait.
    expected = took < expected ? took : expected + (took - expected) / 8;
  }
  // Planning and launching a step, on the host. The dearest is long remembered: a step of decode rows is one recorded
  // launch, and the next may be a prompt's hundreds.
  void NoteStart(absl::Duration took) { start_ = std::max(took, start_ - start_ / 1024); }

  // When to plan what follows a step of this shape that began at `began`; in the past if nothing is known of such.
  absl::Time PlanAt(Shape shape, absl::Time began) const { return began + least_[Index(shape)] - 2 * start_ - kWakeUp; }

 private:
  // A thread that sleeps may be woken this late where cores are busy.
  static constexpr absl::Duration kWakeUp = absl::Milliseconds(1);

  // Steps of as many rows to within a factor of two, those with prompts apart: they attend more, or to more.
  static size_t Index(Shape shape) {
    const auto rows = static_cast<uint32_t>(shape.decode_rows + shape.prompt_rows);
    return static_cast<size_t>(std::bit_width(rows)) * 2 + (shape.prompt_rows > 0 ? 1 : 0);
  }

  std::array<absl::Duration, 66> least_;  // zero: none of that shape seen
  absl::Duration start_;
};

}  // namespace batucada
