// Bodies that zlib's and zstd's own compressors made, decoded within bounds.
#include "server/http/content_coding.h"

#include <zlib.h>
#include <zstd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/body_coding.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text, int window_log = 0) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (window_log > 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  }
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_inBuffer in = {text.data(), text.size(), 0};
  ZSTD_outBuffer room = {out.data(), out.size(), 0};
  if (window_log > 0) {  // so that the frame cannot know how little there will be
    ZSTD_compressStream2(context, &room, &in, ZSTD_e_flush);
  }
  EXPECT_EQ(ZSTD_compressStream2(context, &room, &in, ZSTD_e_end), 0U);
  out.resize(room.pos);
  ZSTD_freeCCtx(context);
  return out;
}

// With room for all.
absl::StatusOr<std::string> Decode(ContentCoding coding, std::string_view body, size_t max_bytes) {
  return Decode(coding, body, max_bytes, [](size_t) { return absl::OkStatus(); });
}

struct Coder {
  ContentCoding coding;
  std::string name;
  std::string (*encode)(const std::string&);
};
const Coder kCoders[] = {{ContentCoding::kGzip, "gzip", Gzip},
                         {ContentCoding::kZstd, "zstd", [](const std::string& text) { return Zstd(text); }}};

std::string SomeText(size_t bytes) {
  std::string text;
  for (uint32_t i = 1; text.size() < bytes; i = i * 1664525 + 1013904223) text += std::to_string(i);
  text.resize(bytes);
  return text;
}

TEST(ContentCodingTest, NamesAreRead) {
  EXPECT_EQ(ReadContentCoding(""), ContentCoding::kIdentity);
  EXPECT_EQ(ReadContentCoding("identity"), ContentCoding::kIdentity);
  EXPECT_EQ(ReadContentCoding(" GZip "), ContentCoding::kGzip);
  EXPECT_EQ(ReadContentCoding("x-gzip"), ContentCoding::kGzip);
  EXPECT_EQ(ReadContentCoding("zstd"), ContentCoding::kZstd);
  for (const char* other : {"br", "deflate", "compress", "gzip, gzip", "identity, gzip", "gzip;q=1", "gzi", ","}) {
    EXPECT_EQ(ReadContentCoding(other), std::nullopt) << other;
  }
}

TEST(ContentCodingTest, WhatWasEncodedComesBack) {
  for (const Coder& coder : kCoders) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{1} << 20}) {
      const std::string text = SomeText(bytes);
      const auto decoded = Decode(coder.coding, coder.encode(text), bytes);
      ASSERT_TRUE(decoded.ok()) << coder.name << " " << bytes << ": " << decoded.status();
      EXPECT_EQ(*decoded, text) << coder.name << " " << bytes;
    }
  }
}

TEST(ContentCodingTest, SeveralMembersAreOneBody) {
  for (const Coder& coder : kCoders) {
    const auto decoded = Decode(coder.coding, coder.encode("ab") + coder.encode("") + coder.encode("c"), 3);
    ASSERT_TRUE(decoded.ok()) << coder.name << decoded.status();
    EXPECT_EQ(*decoded, "abc");
  }
}

TEST(ContentCodingTest, ABombGoesOffWithinTheBound) {
  constexpr size_t kBomb = 64 << 20;
  for (const Coder& coder : kCoders) {
    const std::string small = coder.encode(std::string(kBomb, 'a'));
    EXPECT_LT(small.size(), size_t{100} << 10);
    for (const size_t limit : {size_t{0}, size_t{1000}, kBomb - 1}) {
      const auto decoded = Decode(coder.coding, small, limit);
      EXPECT_EQ(decoded.status().code(), absl::StatusCode::kOutOfRange) << coder.name;
      EXPECT_THAT(decoded.status().message(), HasSubstr(std::to_string(limit) + " bytes"));
    }
    EXPECT_TRUE(Decode(coder.coding, small, kBomb).ok());
  }
}

TEST(ContentCodingTest, RoomIsAskedForBeforeItIsTaken) {
  constexpr size_t kText = 16 << 20, kRoom = 1 << 20;
  for (const Coder& coder : kCoders) {
    size_t most = 0;
    const auto decoded = Decode(coder.coding, coder.encode(std::string(kText, 'a')), kText, [&](size_t bytes) {
      if (bytes > kRoom) return absl::ResourceExhaustedError("no room");
      most = std::max(most, bytes);
      return absl::OkStatus();
    });
    EXPECT_EQ(decoded.status().message(), "no room") << coder.name;
    EXPECT_GT(most, kRoom / 4);
  }
}

TEST(ContentCodingTest, ARequestIsChargedForTheBodyThatItHasNow) {
  constexpr size_t kText = 1 << 20;
  for (const Coder& coder : kCoders) {
    MemoryAccount account(64 << 20);
    HttpRequest request;
    request.headers = {{"content-encoding", coder.name}, {"x-other", "stays"}};
    request.body = coder.encode(SomeText(kText));
    auto memory = account.Charge(MemoryPart::kBody, static_cast<int64_t>(request.body.size()));
    ASSERT_TRUE(memory.ok());
    request.memory = *std::move(memory);
    EXPECT_FALSE(DecodeBody(&request, kText).has_value()) << coder.name;
    EXPECT_EQ(request.body, SomeText(kText)) << coder.name;
    EXPECT_EQ(request.Header("content-encoding"), "");
    EXPECT_EQ(request.Header("x-other"), "stays");
    EXPECT_EQ(account.used(MemoryPart::kBody), static_cast<int64_t>(request.body.capacity()))
        << coder.name << ": what it came as is gone";
  }
}

TEST(ContentCodingTest, AWindowPastTheStandardsIsRefused) {
  const std::string text = SomeText(1000);
  EXPECT_TRUE(Decode(ContentCoding::kZstd, Zstd(text, 23), 1000).ok());
  const auto decoded = Decode(ContentCoding::kZstd, Zstd(text, 27), 1000);
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument) << decoded.status();
  EXPECT_THAT(decoded.status().message(), HasSubstr("its window is larger than 8 MiB"));
}

TEST(ContentCodingTest, WhatIsNotWholeIsRefused) {
  for (const Coder& coder : kCoders) {
    const std::string whole = coder.encode(SomeText(5000));
    for (size_t size = 0; size < whole.size(); size += size < 40 ? 1 : 37) {
      const auto decoded = Decode(coder.coding, whole.substr(0, size), 5000);
      EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument) << coder.name << " " << size;
      EXPECT_THAT(decoded.status().message(), HasSubstr(coder.name));
    }
    EXPECT_FALSE(Decode(coder.coding, whole + "x", 5000).ok()) << coder.name;
    EXPECT_FALSE(Decode(coder.coding, "{\"prompt\": \"a\"}", 5000).ok()) << coder.name;
    std::string bent = whole;
    bent[bent.size() / 2] ^= 0x55;
    const auto decoded = Decode(coder.coding, bent, 5000);
    EXPECT_TRUE(!decoded.ok() || *decoded != SomeText(5000)) << coder.name;
  }
}

}  // namespace
}  // namespace batucada
