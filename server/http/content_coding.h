// Content-Encoding of requests: gzip and zstd, decoded within the same bound as a body that comes as it is. (RFC 9110
// §8.4, RFC 1952, RFC 8878.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace batucada {

enum class ContentCoding : uint8_t { kIdentity, kGzip, kZstd };

// What answers tell clients that sent another: the value of Accept-Encoding.
inline constexpr std::string_view kContentCodings = "gzip, zstd";

// Of the value of Content-Encoding, or of several joined by commas; none if the body cannot be decoded here.
std::optional<ContentCoding> ReadContentCoding(std::string_view header);

// Asked before the decoded bytes take so much room in all. An error ends the decoding, and is what it returns.
using TakeRoom = std::function<absl::Status(size_t bytes)>;

// Decodes `body` piece by piece and stops as soon as there would be more than `max_bytes`: what a bomb makes the
// server hold is bounded by that. INVALID_ARGUMENT if it is not wholly of the coding; OUT_OF_RANGE if it is longer than
// `max_bytes`.
absl::StatusOr<std::string> Decode(ContentCoding coding, std::string_view body, size_t max_bytes,
                                   const TakeRoom& take_room);

}  // namespace batucada
