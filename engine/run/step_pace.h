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
    double& row = row_[Index(shape)];
    const double seen = Nanoseconds(took) / Rows(shape);
    // Falls at once and rises slowly: too short costs little, too long makes the device wait.
    row = seen < row ? seen : row + (seen - row) / 16;
  }
  // Planning and launching a step, on the host. The dearest is long remembered: a step of decode rows is one CUDA graph
  // launch, and the next may be a prompt's hundreds.
  void NoteStart(absl::Duration took) { start_ = std::max(Nanoseconds(took), start_ - start_ / 1024); }

  // What a step of this shape takes; zero if none such was seen.
  absl::Duration Expected(Shape shape) const { return FromNanoseconds(row_[Index(shape)] * Rows(shape)); }

  // When to plan what follows a step of this shape that began at `began`; in the past if nothing is known of such.
  absl::Time PlanAt(Shape shape, absl::Time began) const {
    const double expected = row_[Index(shape)] * Rows(shape);
    return began + FromNanoseconds(expected - expected / 16 - 2 * start_ - kWakeUp);
  }

 private:
  // A thread that sleeps may be woken this late where cores are busy.
  static constexpr double kWakeUp = 1e6;

  // Every step counts with them: as numbers they take a tenth of what they would as durations.
  static double Nanoseconds(absl::Duration time) { return static_cast<double>(absl::ToInt64Nanoseconds(time)); }
  static absl::Duration FromNanoseconds(double time) { return absl::Nanoseconds(static_cast<int64_t>(time)); }

  static int32_t Rows(Shape shape) { return std::max(1, shape.decode_rows + shape.prompt_rows); }
  // Steps of as many rows to within a factor of two, among which time grows with rows, or more slowly. Those with
  // prompts apart: they attend more.
  static size_t Index(Shape shape) {
    return static_cast<size_t>(std::bit_width(static_cast<uint32_t>(Rows(shape)))) * 2 +
           (shape.prompt_rows > 0 ? 1 : 0);
  }

  // In nanoseconds.
  std::array<double, 66> row_ = {};  // of a step's time; zero: none of that shape seen
  double start_ = 0;
};

}  // namespace batucada
