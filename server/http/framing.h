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
  // Bytes of the head. REQUIRES: it is whole
  size_t size() const { return scanned_; }

 private:
  std::optional<FramingFault> CheckStart(std::string_view bytes);

  size_t limit_;        // of the head, in bytes
  size_t scanned_ = 0;  // bytes whose line endings are sound
  bool start_sound_ = false;
  std::optional<FramingFault> fault_;
};

// The bytes of a body in chunks that are not data: the lines of sizes with their extensions, and the trailers after the
// last. Follows what the parser has taken, and is of its mind about where chunks end; what it let pass is held against
// the letter here, and the same whether it came in one piece or in many. Not thread-safe.
class ChunkGuard {
 public:
  explicit ChunkGuard(size_t max_bytes) : limit_(max_bytes) {}

  // `bytes`: of the body, what the parser took since the last call. A line that is longer than the limit, extensions
  // that are together, or trailers that are, with the last chunk's line; and trailers that are no headers.
  std::optional<FramingFault> Follow(std::string_view bytes);
  // `bytes`: what the parser leaves, which waits for the end of a line of a size, or of the trailers. Too many; or a
  // line that has ended, but with LF alone, which the parser would wait beyond.
  std::optional<FramingFault> CheckWaiting(std::string_view bytes) const;

 private:
  enum class Part : uint8_t { kSizeLine, kData, kTrailers };

  std::optional<FramingFault> EndLine();
  std::optional<FramingFault> CheckTrailers() const;
  FramingFault TooLong() const;

  const size_t limit_;
  Part part_ = Part::kSizeLine;
  std::string line_;        // of a size, as far as it is there; from the last chunk's on, all of the body
  uint64_t data_left_ = 0;  // bytes of a chunk
  size_t extensions_ = 0;   // bytes of them all
};

// What an Expect header asks for: HTTP/1.1 knows one expectation.
enum class Expectation : uint8_t { kNone, kContinue, kUnknown };
Expectation ReadExpectation(std::string_view header, bool http_1_0);

}  // namespace batucada
