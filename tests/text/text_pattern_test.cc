// What replacing makes of a text, and of what length it may be.
#include "text/text_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace batucada {
namespace {

absl::StatusOr<std::string> Replaced(std::string_view content, std::string_view text, size_t max_bytes) {
  RegexScratch scratch;
  return ReplaceAll(Regex::Literal("e").value(), content, text, max_bytes, &scratch);
}

TEST(TextPatternTest, WhatIsBehindTheLastMatchStays) {
  EXPECT_EQ(Replaced("<>", "see the end", 100).value(), "s<><> th<> <>nd");
  EXPECT_EQ(Replaced("", "e!", 100).value(), "!");
  EXPECT_EQ(Replaced("<>", "nothing", 100).value(), "nothing");
}

TEST(TextPatternTest, ATextThatWouldGetTooLongIsNotMade) {
  const std::string many(100, 'e');
  EXPECT_EQ(Replaced("ab", many, 300).value().size(), 200);
  EXPECT_TRUE(absl::IsResourceExhausted(Replaced("ab", many, 199).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(Replaced(std::string(1 << 20, 'a'), many, 1 << 20).status()));
}

}  // namespace
}  // namespace batucada
