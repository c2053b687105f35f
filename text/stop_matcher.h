// Finds stop strings in a text that arrives in pieces, whatever the borders between the pieces.
//
// The stop string that ends first wins; of several that end at the same byte, the longest, which begins leftmost. Text
// is released as soon as it cannot be part of a stop string: what is kept back is the longest suffix of the text so far
// that is a proper beginning of some stop string. Knuth-Morris-Pratt per stop string: time O(text × stop strings),
// memory O(stop strings), never more than the longest of them kept back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace batucada {

// Not thread-safe; one per stream. Copies share the stop strings and each begins where the original is.
class StopMatcher {
 public:
  static constexpr size_t kMaxStopStrings = 64;
  static constexpr size_t kMaxStopBytes = 4096;  // of one stop string

  struct Match {
    size_t index = 0;   // which stop string, in the order given to Create
    size_t offset = 0;  // bytes of the whole text before the stop string
  };
  struct Result {
    std::string text;            // safe to send; never contains any of the stop string that matched
    std::optional<Match> match;  // set once, by the Push that completes a stop string
  };

  // INVALID_ARGUMENT for an empty stop string, one that is too long, or too many. None at all is fine: all text passes.
  [[nodiscard]] static absl::StatusOr<StopMatcher> Create(const std::vector<std::string>& stop_strings);

  // After a match, text is dropped and the result is empty.
  Result Push(std::string_view text);

  // The text ends without a match: what was kept back. Empty after a match.
  std::string Flush();

 private:
  struct Pattern {
    std::string text;
    std::vector<uint16_t> border;  // border[n]: longest proper prefix of text that is a suffix of its first n bytes
  };

  explicit StopMatcher(std::vector<Pattern> patterns)
      : patterns_(std::make_shared<const std::vector<Pattern>>(std::move(patterns))), matched_(patterns_->size()) {}

  std::shared_ptr<const std::vector<Pattern>> patterns_;
  std::vector<size_t> matched_;  // bytes of each pattern's text that the stream ends with
  std::string held_;
  size_t released_ = 0;  // bytes
  bool stopped_ = false;
};

}  // namespace batucada
