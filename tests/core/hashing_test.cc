// Hashes, checksums and digests against their published answers.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "base/crc32.h"
#include "base/digest.h"
#include "base/fnv.h"

namespace batucada {
namespace {

// RFC 9923.
TEST(FnvTest, PublishedAnswers) {
  EXPECT_EQ(Fnv1a(""), 0xcbf29ce484222325U);
  EXPECT_EQ(Fnv1a("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(Fnv1a("foobar"), 0x85944171f73967e8U);
  EXPECT_EQ(Fnv1a("bar", Fnv1a("foo")), Fnv1a("foobar"));
}

TEST(Crc32Test, PublishedAnswerAndPieces) {
  const std::string digits = "123456789";
  EXPECT_EQ(Crc32(digits.data(), digits.size()), 0xcbf43926U);
  EXPECT_EQ(Crc32(digits.data() + 4, 5, Crc32(digits.data(), 4)), 0xcbf43926U);
}

// FIPS 180-4's examples.
TEST(DigestTest, PublishedAnswersAndPieces) {
  constexpr char kSha256[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const Sha256 whole = Sha256Of("abc");
  EXPECT_EQ(absl::BytesToHexString({reinterpret_cast<const char*>(whole.data()), whole.size()}), kSha256);
  Digest pieces;
  pieces.Add("a");
  pieces.Add("");
  pieces.Add("bc");
  EXPECT_EQ(pieces.Hex(), kSha256);
  Digest sha1(Digest::Kind::kSha1);
  sha1.Add("abc");
  EXPECT_EQ(sha1.Hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace batucada
