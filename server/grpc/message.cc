#include "server/grpc/message.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "base/status.h"
#include "server/generate/work_attempt.h"

namespace batucada {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

constexpr int kMaxDepth = 32;  // messages within messages; ours have four

absl::Status TooLarge(int64_t bytes, int64_t most) {
  return absl::ResourceExhaustedError(
      fmt::format("the message has {} bytes: at most {} (--max-body-bytes)", bytes, most));
}

// Reads Protobuf's wire format and counts.
class PartCounter {
 public:
  explicit PartCounter(const MessageBounds& bounds) : bounds_(bounds) {}

  absl::Status Count(std::string_view wire, const Descriptor* type, int depth) {
    if (depth > kMaxDepth) return Malformed();
    while (!wire.empty()) {
      uint64_t tag = 0;
      if (!TakeVarint(&wire, &tag) || tag > UINT32_MAX) return Malformed();
      const auto number = static_cast<int>(tag >> 3);
      const FieldDescriptor* field = type == nullptr ? nullptr : type->FindFieldByNumber(number);
      if (field == nullptr) ++parts_;
      switch (tag & 7) {
        case WireFormatLite::WIRETYPE_VARINT: {
          uint64_t unused = 0;
          if (!TakeVarint(&wire, &unused)) return Malformed();
          ++numbers_;
          break;
        }
        case WireFormatLite::WIRETYPE_FIXED64:
          if (!Skip(&wire, 8)) return Malformed();
          ++numbers_;
          break;
        case WireFormatLite::WIRETYPE_FIXED32:
          if (!Skip(&wire, 4)) return Malformed();
          ++numbers_;
          break;
        case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
          uint64_t size = 0;
          if (!TakeVarint(&wire, &size) || size > wire.size()) return Malformed();
          BATUCADA_RETURN_IF_ERROR(CountDelimited(wire.substr(0, size), field, depth));
          wire.remove_prefix(size);
          break;
        }
        default: return Malformed();  // groups, which no message of ours has
      }
      BATUCADA_RETURN_IF_ERROR(Check());
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CountDelimited(std::string_view content, const FieldDescriptor* field, int depth) {
    if (field == nullptr) return absl::OkStatus();  // counted already
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ++parts_;
      BATUCADA_RETURN_IF_ERROR(Check());
      return Count(content, field->message_type(), depth + 1);
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      ++parts_;
    } else {
      // A packed list. Every number has one byte without the highest bit, if it is a varint; else four or eight.
      numbers_ += std::count_if(content.begin(), content.end(), [](char c) { return (c & 0x80) == 0; });
    }
    return absl::OkStatus();
  }

  absl::Status Check() const {
    if (parts_ > bounds_.parts) {
      return absl::ResourceExhaustedError(
          fmt::format("the message has more than {} parts (strings, and messages within it)", bounds_.parts));
    }
    if (numbers_ > bounds_.numbers) {
      return absl::ResourceExhaustedError(
          fmt::format("the message's lists have more than {} numbers", bounds_.numbers));
    }
    return absl::OkStatus();
  }

  static absl::Status Malformed() {
    return absl::InvalidArgumentError("the message is malformed: it is not what the method takes, or was cut");
  }

  static bool Skip(std::string_view* wire, size_t size) {
    if (wire->size() < size) return false;
    wire->remove_prefix(size);
    return true;
  }

  static bool TakeVarint(std::string_view* wire, uint64_t* value) {
    *value = 0;
    for (size_t i = 0; i < std::min<size_t>(wire->size(), 10); ++i) {
      const auto byte = static_cast<unsigned char>((*wire)[i]);
      *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte >= 0x80) continue;
      wire->remove_prefix(i + 1);
      return true;
    }
    return false;
  }

  const MessageBounds& bounds_;
  int64_t parts_ = 0, numbers_ = 0;
};

// gzip, or zlib's own format, which is what gRPC calls deflate.
absl::StatusOr<std::string> Inflate(std::string_view bytes, MessageEncoding encoding, int64_t most) {
  constexpr int kGzipWindow = 16 + MAX_WBITS;
  z_stream stream = {};
  if (inflateInit2(&stream, encoding == MessageEncoding::kGzip ? kGzipWindow : MAX_WBITS) != Z_OK) {
    return absl::ResourceExhaustedError("there is no memory to decompress the message");
  }
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  char buffer[16 << 10];
  int result = Z_OK;
  while (result == Z_OK && static_cast<int64_t>(out.size()) <= most) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof(buffer);
    result = inflate(&stream, Z_NO_FLUSH);
    if (result == Z_OK || result == Z_STREAM_END) out.append(buffer, sizeof(buffer) - stream.avail_out);
  }
  const bool whole = result == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (static_cast<int64_t>(out.size()) > most) {
    return absl::ResourceExhaustedError(
        fmt::format("the message has more than {} bytes once it is decompressed (--max-body-bytes)", most));
  }
  if (!whole)
    return absl::InvalidArgumentError("the message cannot be decompressed: it is not what grpc-encoding says");
  return out;
}

}  // namespace

std::optional<MessageEncoding> ParseEncoding(std::string_view name) {
  if (name.empty() || name == "identity") return MessageEncoding::kIdentity;
  if (name == "gzip") return MessageEncoding::kGzip;
  if (name == "deflate") return MessageEncoding::kDeflate;
  return std::nullopt;
}

absl::StatusOr<std::optional<WireMessage>> MessageReader::Read(std::string_view* bytes) {
  while (header_size_ < sizeof(header_) && !bytes->empty()) {
    header_[header_size_++] = bytes->front();
    bytes->remove_prefix(1);
    if (header_size_ < sizeof(header_)) continue;
    length_ = 0;
    for (size_t i = 1; i < sizeof(header_); ++i) length_ = length_ << 8 | static_cast<unsigned char>(header_[i]);
    if (header_[0] != 0 && header_[0] != 1) return absl::InvalidArgumentError("a message's first byte must be 0 or 1");
    if (header_[0] == 1 && encoding_ == MessageEncoding::kIdentity) {
      return absl::InvalidArgumentError("a message is compressed, and the call has no header grpc-encoding");
    }
    if (static_cast<int64_t>(length_) > max_bytes_) return TooLarge(static_cast<int64_t>(length_), max_bytes_);
  }
  if (header_size_ < sizeof(header_)) return std::nullopt;
  const size_t size = std::min(bytes->size(), length_ - message_.size());
  // What a header says costs its sender nothing: room is made as the bytes come.
  if (message_.size() + size > message_.capacity()) {
    message_.reserve(std::min(length_, std::max(message_.size() + size, 2 * message_.capacity())));
  }
  message_.append(bytes->substr(0, size));
  bytes->remove_prefix(size);
  if (message_.size() < length_) return std::nullopt;
  header_size_ = 0;
  return WireMessage{.encoding = header_[0] == 0 ? MessageEncoding::kIdentity : encoding_,
                     .bytes = std::exchange(message_, {}),
                     .charge = {}};
}

std::string FrameMessage(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  std::string framed = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                        static_cast<char>(size)};
  framed.reserve(framed.size() + size);
  message.AppendPartialToString(&framed);
  return framed;
}

std::string StringField(std::string_view wire, int number) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(wire.data()),
                                               static_cast<int>(wire.size()));
  for (uint32_t tag = input.ReadTag(); tag != 0; tag = input.ReadTag()) {
    std::string found;
    uint32_t size = 0;
    if (WireFormatLite::GetTagFieldNumber(tag) == number &&
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      return input.ReadVarint32(&size) && input.ReadString(&found, static_cast<int>(size)) ? found : "";
    }
    if (!WireFormatLite::SkipField(&input, tag)) break;
  }
  return "";
}

absl::Status CheckParts(std::string_view wire, const Descriptor& type, const MessageBounds& bounds) {
  return PartCounter(bounds).Count(wire, &type, 0);
}

absl::Status DecodeMessage(const WireMessage& wire, const MessageBounds& bounds, google::protobuf::Message* message) {
  std::string inflated;
  std::string_view bytes = wire.bytes;
  if (wire.encoding != MessageEncoding::kIdentity) {
    BATUCADA_ASSIGN_OR_RETURN(inflated, Inflate(bytes, wire.encoding, bounds.bytes));
    bytes = inflated;
    if (WorkAttempt::Defer(WorkBytes(bytes))) return absl::UnavailableError("it is decoded again as what it is");
  }
  BATUCADA_RETURN_IF_ERROR(CheckParts(bytes, *message->GetDescriptor(), bounds));
  if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::InvalidArgumentError("the message is malformed: a string that is not UTF-8, or it was cut");
}

}  // namespace batucada
