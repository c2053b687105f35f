#include "server/generate/running_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RunningRequestsTest, AKeyFindsWhatItBegan) {
  RunningRequests running;
  const Client alice{.key = 1}, mallory{.key = 2}, nobody;
  running.Add("id", alice, SequenceId{5});
  running.Add("id", mallory, SequenceId{6});
  EXPECT_THAT(running.Find("id", alice), ElementsAre(SequenceId{5}));
  EXPECT_THAT(running.Find("id", mallory), ElementsAre(SequenceId{6}));
  EXPECT_THAT(running.Find("id", nobody), IsEmpty());
  EXPECT_THAT(running.Find("other", alice), IsEmpty());
  running.Remove("id", SequenceId{5});
  EXPECT_THAT(running.Find("id", alice), IsEmpty());
  EXPECT_THAT(running.Find("id", mallory), ElementsAre(SequenceId{6}));
}

}  // namespace
}  // namespace batucada
