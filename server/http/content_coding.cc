#include "server/http/content_coding.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr size_t kPieceBytes = 64 << 10;
// RFC 8878 §3.1.1.1.2: senders of the zstd content coding use windows of up to 8 MiB, so that receivers are bounded.
constexpr int kMaxZstdWindowLog = 23;

absl::Status NotWhole(std::string_view name, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("the request's body is not {} as its Content-Encoding says: {}", name, why));
}

// What has been decoded. Grows by what there is, not by what a header promises.
class Sink {
 public:
  Sink(size_t max_bytes, const TakeRoom& take_room) : max_bytes_(max_bytes), take_room_(take_room) {}

  char* piece() { return piece_.data(); }
  absl::Status Take(size_t bytes) {
    if (bytes > max_bytes_ - out_.size()) {
      return absl::OutOfRangeError(
          fmt::format("the request's body is longer than {} bytes when it is decoded", max_bytes_));
    }
    const size_t size = out_.size() + bytes;
    if (size > room_) {
      room_ = std::min(std::max(size, 2 * room_), max_bytes_);
      BATUCADA_RETURN_IF_ERROR(take_room_(room_));
      out_.reserve(room_);
    }
    out_.append(piece_.data(), bytes);
    return absl::OkStatus();
  }
  std::string Release() { return std::move(out_); }

 private:
  const size_t max_bytes_;
  const TakeRoom& take_room_;
  size_t room_ = 0;
  std::string out_;
  std::array<char, kPieceBytes> piece_;
};

absl::StatusOr<std::string> DecodeGzip(std::string_view body, Sink& sink) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream = {};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK)
    return absl::ResourceExhaustedError("there is no memory to decode gzip");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  while (true) {
    stream.next_out = reinterpret_cast<Bytef*>(sink.piece());
    stream.avail_out = kPieceBytes;
    const int result = inflate(&stream, Z_NO_FLUSH);
    BATUCADA_RETURN_IF_ERROR(sink.Take(kPieceBytes - stream.avail_out));
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) return sink.Release();
      if (inflateReset(&stream) != Z_OK) return NotWhole("gzip", "it cannot be read");  // another member follows
      continue;
    }
    if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) {
      return NotWhole("gzip", "it ends too early");
    }
    if (result != Z_OK) return NotWhole("gzip", stream.msg != nullptr ? stream.msg : "it cannot be read");
  }
}

absl::StatusOr<std::string> DecodeZstd(std::string_view body, Sink& sink) {
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  if (stream == nullptr) return absl::ResourceExhaustedError("there is no memory to decode zstd");
  ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  ZSTD_inBuffer in = {.src = body.data(), .size = body.size(), .pos = 0};
  while (true) {
    ZSTD_outBuffer out = {.dst = sink.piece(), .size = kPieceBytes, .pos = 0};
    const size_t before = in.pos;
    const size_t left = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge) {
      return NotWhole("zstd", fmt::format("its window is larger than {} MiB: compress it with a smaller one",
                                          1 << (kMaxZstdWindowLog - 20)));
    }
    if (ZSTD_isError(left)) return NotWhole("zstd", ZSTD_getErrorName(left));
    BATUCADA_RETURN_IF_ERROR(sink.Take(out.pos));
    if (left == 0 && in.pos == in.size) return sink.Release();  // the end of a frame, and of the body
    if (in.pos == before && out.pos == 0) return NotWhole("zstd", "it ends too early");
  }
}

}  // namespace

std::optional<ContentCoding> ReadContentCoding(std::string_view header) {
  const absl::string_view name = absl::StripAsciiWhitespace(absl::string_view(header.data(), header.size()));
  if (name.empty() || absl::EqualsIgnoreCase(name, "identity")) return ContentCoding::kIdentity;
  if (absl::EqualsIgnoreCase(name, "gzip") || absl::EqualsIgnoreCase(name, "x-gzip")) return ContentCoding::kGzip;
  if (absl::EqualsIgnoreCase(name, "zstd")) return ContentCoding::kZstd;
  return std::nullopt;
}

absl::StatusOr<std::string> Decode(ContentCoding coding, std::string_view body, size_t max_bytes,
                                   const TakeRoom& take_room) {
  const auto sink = std::make_unique<Sink>(max_bytes, take_room);  // its piece is large for a stack
  switch (coding) {
    case ContentCoding::kGzip: return DecodeGzip(body, *sink);
    case ContentCoding::kZstd: return DecodeZstd(body, *sink);
    case ContentCoding::kIdentity: break;
  }
  return std::string(body);
}

}  // namespace batucada
