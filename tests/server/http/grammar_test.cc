#include "server/http/grammar.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(GrammarTest, Tokens) {
  for (const char* token : {"GET", "x-own_1", "!#$%&'*+-.^_`|~"}) EXPECT_TRUE(IsToken(token)) << token;
  for (const char* other : {"", "a b", "a:", "a\t", "(a)", "\"a\"", "a/b", "\xc3\xa9", "a\x7f"}) {
    EXPECT_FALSE(IsToken(other)) << other;
  }
}

TEST(GrammarTest, Hosts) {
  for (const char* host : {"x", "x.example", "x:80", "x:", "127.0.0.1:8000", "[::1]", "[::1]:80", "[2001:db8::1.2.3.4]",
                           "a_b~c", "%41", "a,b"}) {
    EXPECT_TRUE(IsHost(host)) << host;
  }
  for (const char* other : {"", ":80", "x:65536", "x:8a", "x y", "u@x", "x/", "::1", "[::1", "[]", "[x]:80", "[::1]80",
                            "%4", "%zz", "x:80:80", "\xc3\xa9"}) {
    EXPECT_FALSE(IsHost(other)) << other;
  }
}

TEST(GrammarTest, HostsWithoutPorts) {
  EXPECT_EQ(HostWithoutPort("x:80"), "x");
  EXPECT_EQ(HostWithoutPort("x"), "x");
  EXPECT_EQ(HostWithoutPort("[::1]:80"), "[::1]");
  EXPECT_EQ(HostWithoutPort("[::1]"), "[::1]");
}

}  // namespace
}  // namespace batucada
