#include "server/openai/best_of.h"

#include <initializer_list>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::ElementsAre;

Update Scored(std::initializer_list<float> logprobs) {
  Update update;
  for (const float logprob : logprobs) update.tokens.push_back({.id = 1, .logprob = logprob});
  return update;
}

TEST(BestOfTest, KeepsTheHighestMeansOfEachPromptTheBestFirst) {
  BestOf best(6, 3, 2);
  best.Take(0, Scored({-4}));
  best.Take(1, Scored({-1, -1}));
  best.Take(1, Scored({-1, -1, -1, -1}));  // a lower sum than text 0's, and a higher mean
  best.Take(2, Scored({-2}));
  best.Take(3, Scored({-3}));
  best.Take(4, Scored({-3}));
  best.Take(5, Scored({-1}));
  EXPECT_THAT(best.Best(), ElementsAre(1, 2, 5, 3));
}

}  // namespace
}  // namespace batucada
