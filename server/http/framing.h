// Where a request begins and ends, by the letter of RFC 9112: what two servers could read differently is refused, for a
// body that one of them takes for the next request lets strangers speak in another's name.
//
// The parser is Beast's. This looks at a head before it is parsed, refuses what Beast would let pass or would wait for,
// and says in a sentence what to send instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace batucada {

// Why a request is refused; its connection closes, since nobody can say where the next request begins.
struct FramingFault {
  int status = 400;  // 400, 417, 431, 501 or 505
  std::string message;
  std::string_view code = "malformed_request";
};

// Of one request. Not thread-safe.
class HeadGuard {
 public:
  enum class State : uint8_t {
    kPartial,  // sound so far
    kWhole,    // the head is there, and sound
    kFault,    // see fault()
  };

  explicit HeadGuard(size_t max_header_bytes) : limit_(max_header_bytes) {}

  // `bytes`: all that has come of the request, its first byte first. Each byte is looked at about once, however they
  // come. What cannot become a request is a fault as soon as that is plain.
  State Look(std::string_view bytes);
  const FramingFault& fault() const { return *fault_; }

 private:
  std::optional<FramingFault> CheckStart(std::string_view bytes);

  size_t limit_;        // of the head, in bytes
  size_t scanned_ = 0;  // bytes whose line endings are sound
  bool start_sound_ = false;
  std::optional<FramingFault> fault_;
};

// The bytes of chunks that are not data: extensions, and the trailers after the last.
class ChunkGuard {
 public:
  explicit ChunkGuard(size_t max_bytes) : limit_(max_bytes) {}

  // False if the extensions of all chunks together are too long.
  bool TakeExtension(std::string_view extension) { return (taken_ += extension.size()) <= limit_; }
  // False if what waits to become a whole chunk header, or the trailers, is too long.
  bool AllowsWaiting(size_t bytes) const { return bytes <= limit_; }
  FramingFault TooLong() const;

 private:
  size_t limit_;
  size_t taken_ = 0;
};

// What an Expect header asks for: HTTP/1.1 knows one expectation.
enum class Expectation : uint8_t { kNone, kContinue, kUnknown };
Expectation ReadExpectation(std::string_view header, bool http_1_0);

}  // namespace batucada
