// Messages on gRPC's wire: their frames (a byte that says whether it is compressed, four for the length), and from
// bytes to Protobuf within bounds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/memory/account.h"

namespace batucada {

enum class MessageEncoding : uint8_t { kIdentity, kGzip, kDeflate };

// Of the header grpc-encoding; "" is identity. None for one that is not decoded here.
std::optional<MessageEncoding> ParseEncoding(std::string_view name);
inline constexpr std::string_view kAcceptedEncodings = "identity,deflate,gzip";

// What a message may hold once it is decoded, before anything is made of it.
struct MessageBounds {
  int64_t bytes = 8 << 20;
  int64_t parts = 65'536;     // messages, strings and fields we do not know: each becomes an object of its own
  int64_t numbers = 2 << 20;  // elements of lists of numbers
};

// A message as it came.
struct WireMessage {
  MessageEncoding encoding = MessageEncoding::kIdentity;
  std::string bytes;
  MemoryCharge charge;  // for the bytes
};

// Cuts a stream's bytes into messages. Used by one thread at a time.
class MessageReader {
 public:
  // `max_bytes`: of one message, as it comes. `encoding`: of those that say that they are compressed.
  MessageReader(int64_t max_bytes, MessageEncoding encoding) : max_bytes_(max_bytes), encoding_(encoding) {}

  // Takes bytes from the front of `bytes`, at most to the end of a message, which it then gives. Errors are the call's
  // end: RESOURCE_EXHAUSTED for a message that says it will be too large, before it is there.
  absl::StatusOr<std::optional<WireMessage>> Read(std::string_view* bytes);
  // Bytes that are held for a message whose end is not there.
  size_t held() const { return message_.capacity(); }
  void Drop() { message_ = {}; }
  bool within_message() const { return header_size_ > 0; }

 private:
  const int64_t max_bytes_;
  const MessageEncoding encoding_;
  char header_[5] = {};
  size_t header_size_ = 0;  // of those five bytes
  size_t length_ = 0;       // what they say
  std::string message_;
};

// The frame of a message that is not compressed.
std::string FrameMessage(const google::protobuf::MessageLite& message);

// `wire` decompressed and parsed into `message`. RESOURCE_EXHAUSTED if it is past the bounds, which is found without
// making anything of it; INVALID_ARGUMENT if it is no such message.
absl::Status DecodeMessage(const WireMessage& wire, const MessageBounds& bounds, google::protobuf::Message* message);

// The string in that field of a message that is not parsed; empty if there is none, or it is compressed.
std::string StringField(std::string_view wire, int number);

// Whether what is written in `wire` keeps to the bounds, read as a `type`.
absl::Status CheckParts(std::string_view wire, const google::protobuf::Descriptor& type, const MessageBounds& bounds);

}  // namespace batucada
