#include "engine/run/step_pace.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

const absl::Time kBegan = absl::UnixEpoch();

// Long enough for the slow rise to be over.
StepPace Seasoned(StepPace::Shape shape, absl::Duration took) {
  StepPace pace;
  for (int i = 0; i < 500; ++i) pace.NoteStep(shape, took);
  return pace;
}

TEST(StepPace, PlansAtOnceWhereNothingIsKnown) {
  const StepPace pace = Seasoned({.decode_rows = 8}, absl::Milliseconds(20));
  EXPECT_LE(StepPace().PlanAt({.decode_rows = 8}, kBegan), kBegan);
  EXPECT_LE(pace.PlanAt({.decode_rows = 8, .prompt_rows = 1}, kBegan), kBegan) << "of prompts nothing is known";
  EXPECT_LE(pace.PlanAt({.decode_rows = 16}, kBegan), kBegan) << "nor of twice as many";
}

TEST(StepPace, PlansShortlyBeforeTheStepEnds) {
  const StepPace pace = Seasoned({.decode_rows = 8}, absl::Milliseconds(20));
  const absl::Time plan_at = pace.PlanAt({.decode_rows = 8}, kBegan);
  EXPECT_GT(plan_at, kBegan + absl::Milliseconds(17));
  EXPECT_LT(plan_at, kBegan + absl::Milliseconds(19));
}

TEST(StepPace, ExpectsOfFewerRowsLess) {
  const StepPace pace = Seasoned({.prompt_rows = 8000}, absl::Milliseconds(50));
  EXPECT_LT(pace.PlanAt({.prompt_rows = 4100}, kBegan), kBegan + absl::Milliseconds(25));
}

TEST(StepPace, LeavesTimeForThePlanItself) {
  StepPace pace = Seasoned({.decode_rows = 8}, absl::Milliseconds(20));
  const absl::Time before = pace.PlanAt({.decode_rows = 8}, kBegan);
  pace.NoteStart(absl::Milliseconds(3));
  EXPECT_EQ(before - pace.PlanAt({.decode_rows = 8}, kBegan), absl::Milliseconds(6));
  for (int i = 0; i < 100; ++i) pace.NoteStart(absl::ZeroDuration());
  EXPECT_GT(before - pace.PlanAt({.decode_rows = 8}, kBegan), absl::Milliseconds(5)) << "the next may be as dear";
  for (int i = 0; i < 10'000; ++i) pace.NoteStart(absl::ZeroDuration());
  EXPECT_LT(before - pace.PlanAt({.decode_rows = 8}, kBegan), absl::Microseconds(1)) << "once slow is not always slow";
}

TEST(StepPace, BelievesAShortStepAtOnceAndLongOnesSlowly) {
  StepPace pace = Seasoned({.prompt_rows = 512}, absl::Milliseconds(80));
  pace.NoteStep({.prompt_rows = 512}, absl::Milliseconds(30));
  EXPECT_LT(pace.PlanAt({.prompt_rows = 512}, kBegan), kBegan + absl::Milliseconds(30));
  pace.NoteStep({.prompt_rows = 512}, absl::Milliseconds(80));
  EXPECT_LT(pace.PlanAt({.prompt_rows = 512}, kBegan), kBegan + absl::Milliseconds(32));
}

}  // namespace
}  // namespace batucada
