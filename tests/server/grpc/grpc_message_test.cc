#include "server/grpc/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batucada/v1/batucada.pb.h"
#include "server/grpc/grpc_headers.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

absl::Status DecodeBytes(const std::string& bytes, google::protobuf::Message* message,
                         const MessageBounds& bounds = {}) {
  return DecodeMessage({.encoding = MessageEncoding::kIdentity, .bytes = bytes}, bounds, message);
}

v1::ChatRequest ChatOf(int messages) {
  v1::ChatRequest request;
  for (int i = 0; i < messages; ++i) request.add_messages();
  return request;
}

TEST(MessageTest, IsCutFromAnyPieces) {
  v1::GenerateRequest request;
  request.set_text(std::string(300, 'x'));
  const std::string stream = FrameMessage(request) + FrameMessage(v1::GenerateRequest()) + FrameMessage(request);
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    MessageReader reader(1000, MessageEncoding::kIdentity);
    std::vector<size_t> sizes;
    for (size_t at = 0; at < stream.size(); at += piece) {
      std::string_view bytes = std::string_view(stream).substr(at, piece);
      while (!bytes.empty()) {
        const auto message = reader.Read(&bytes);
        ASSERT_TRUE(message.ok());
        if (*message) sizes.push_back((*message)->bytes.size());
      }
    }
    EXPECT_THAT(sizes, ::testing::ElementsAre(request.ByteSizeLong(), 0, request.ByteSizeLong()));
    EXPECT_FALSE(reader.within_message());
  }
}

TEST(MessageTest, IsRefusedByItsHeadAlone) {
  const auto read = [](std::string bytes, MessageEncoding encoding = MessageEncoding::kIdentity) {
    MessageReader reader(1000, encoding);
    std::string_view view = bytes;
    return reader.Read(&view).status();
  };
  EXPECT_TRUE(read(std::string("\0\0\0\3\xe8", 5)).ok());
  EXPECT_EQ(read(std::string("\0\0\0\3\xe9", 5)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(read(std::string("\0\xff\xff\xff\xff", 5)).message()), HasSubstr("4294967295 bytes"));
  EXPECT_EQ(read(std::string("\2\0\0\0\0", 5)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(read(std::string("\1\0\0\0\0", 5)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(read(std::string("\1\0\0\0\0", 5), MessageEncoding::kGzip).ok());
}

TEST(MessageTest, HoldsNoMoreThanCame) {
  MessageReader reader(8 << 20, MessageEncoding::kIdentity);
  std::string bytes("\0\0\x80\0\0", 5);
  bytes.append(100, 'x');
  std::string_view view = bytes;
  ASSERT_TRUE(reader.Read(&view).ok());
  EXPECT_LT(reader.held(), 1000U);
}

TEST(MessageTest, PartsAreCountedBeforeTheyAreMade) {
  v1::ChatRequest request;
  EXPECT_TRUE(DecodeBytes(ChatOf(10).SerializeAsString(), &request, {.parts = 10}).ok());
  EXPECT_EQ(request.messages_size(), 10);
  const absl::Status status = DecodeBytes(ChatOf(11).SerializeAsString(), &request, {.parts = 10});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 10 parts"));
  EXPECT_EQ(request.messages_size(), 10) << "nothing was parsed";
  // Strings, map entries, and fields that are not known count too; a field that is set again is set again.
  v1::GenerateRequest generate;
  for (int i = 0; i < 4; ++i) (*generate.mutable_sampling()->mutable_logit_bias())[i] = 1;
  EXPECT_FALSE(DecodeBytes(generate.SerializeAsString(), &generate, {.parts = 4}).ok());
  EXPECT_FALSE(DecodeBytes("\xf8\x07\x01\xf8\x07\x01", &generate, {.parts = 1}).ok());
  EXPECT_FALSE(DecodeBytes(std::string("\x12\0\x12\0", 4), &generate, {.parts = 1}).ok());
}

TEST(MessageTest, NumbersAreCountedInEveryForm) {
  v1::GenerateRequest packed;
  for (const int id : {1, 300, 70000}) packed.mutable_token_ids()->add_ids(id);
  v1::GenerateRequest read;
  EXPECT_TRUE(DecodeBytes(packed.SerializeAsString(), &read, {.numbers = 3}).ok());
  EXPECT_THAT(std::string(DecodeBytes(packed.SerializeAsString(), &read, {.numbers = 2}).message()),
              HasSubstr("2 numbers"));
  const std::string unpacked("\x1a\x06\x08\x01\x08\x02\x08\x03", 8);
  ASSERT_TRUE(DecodeBytes(unpacked, &read, {.numbers = 3}).ok());
  EXPECT_EQ(read.token_ids().ids_size(), 3);
  EXPECT_FALSE(DecodeBytes(unpacked, &read, {.numbers = 2}).ok());
}

TEST(MessageTest, MalformedOnesAreToldSo) {
  v1::GenerateRequest request;
  for (const std::string& bytes :
       {std::string("\x12\x05", 2), std::string("\x0b", 1), std::string("\x12\x02\xc3\x28", 4), std::string(20, '\xff'),
        std::string("\x09\x01", 2)}) {
    EXPECT_EQ(DecodeBytes(bytes, &request).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(GrpcHeadersTest, Timeouts) {
  EXPECT_EQ(*ParseTimeout(""), absl::InfiniteDuration());
  EXPECT_EQ(*ParseTimeout("2H"), absl::Hours(2));
  EXPECT_EQ(*ParseTimeout("99999999M"), absl::Minutes(99'999'999));
  EXPECT_EQ(*ParseTimeout("1S"), absl::Seconds(1));
  EXPECT_EQ(*ParseTimeout("0m"), absl::ZeroDuration());
  EXPECT_EQ(*ParseTimeout("5u"), absl::Microseconds(5));
  EXPECT_EQ(*ParseTimeout("5n"), absl::Nanoseconds(5));
  for (const char* wrong : {"S", "5", "5s", "-5S", "+5S", "123456789S", "1 S", "1.5S", "\xff"}) {
    EXPECT_FALSE(ParseTimeout(wrong).ok()) << wrong;
  }
}

TEST(GrpcHeadersTest, KnowsItsKind) {
  const auto status = [](const char* type, const char* method = "POST") {
    return HttpStatusOfRequest({{":method", method}, {"content-type", type}});
  };
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"}) {
    EXPECT_EQ(status(type), 200);
  }
  for (const char* type :
       {"", "application/json", "application/grpc-web", "application/grpc+json", "application/grpcx"}) {
    EXPECT_EQ(status(type), 415) << type;
  }
  EXPECT_EQ(status("application/grpc", "GET"), 405);
}

TEST(GrpcHeadersTest, MessagesAreWrittenSafelyAndCut) {
  const auto message = [](std::string text) {
    return std::string(HeaderOf(StatusTrailers(absl::InternalError(text)), "grpc-message"));
  };
  EXPECT_EQ(message("50% \n é"), "50%25 %0A %C3%A9");
  const std::string cut = message(std::string(1023, 'a') + "é");
  EXPECT_EQ(cut, std::string(1023, 'a')) << "no half of a character";
  EXPECT_EQ(StatusTrailers(absl::OkStatus()).size(), 1U);
}

}  // namespace
}  // namespace batucada
