#include "server/common/client.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(ClientTest, AMachineIsOneClientWhateverItsPorts) {
  EXPECT_EQ(ClientAt("192.0.2.1", 1).id(), ClientAt("192.0.2.1", 2).id());
  EXPECT_NE(ClientAt("192.0.2.1", 1).connection, ClientAt("192.0.2.1", 2).connection);
  EXPECT_NE(ClientAt("192.0.2.1", 1).id(), ClientAt("192.0.2.2", 1).id());
  EXPECT_NE(ClientAt("192.0.2.1", 1).connection, ClientAt("192.0.2.2", 1).connection);
  EXPECT_EQ(ClientAt("::ffff:192.0.2.1", 1).id(), ClientAt("192.0.2.1", 1).id());
}

TEST(ClientTest, AHostOfIPv6HasAllAddressesOfItsNetwork) {
  EXPECT_EQ(ClientAt("2001:db8::1", 1).id(), ClientAt("2001:db8::ffff:1", 1).id());
  EXPECT_NE(ClientAt("2001:db8::1", 1).id(), ClientAt("2001:db8:0:1::1", 1).id());
}

TEST(ClientTest, AKeyCountsMoreThanWhereItIsUsed) {
  Client here = ClientAt("192.0.2.1", 1), there = ClientAt("192.0.2.2", 1);
  here.key = there.key = 7;
  EXPECT_EQ(here.id(), there.id());
}

}  // namespace
}  // namespace batucada
