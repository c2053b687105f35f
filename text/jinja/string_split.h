// Cutting strings as Python's split, rsplit and splitlines do.
//
// REQUIRES everywhere: valid UTF-8. The pieces are views of `text`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"

namespace batucada::jinja {

enum class SplitFrom : uint8_t { kLeft, kRight };

// Every piece is counted, and room for it, before it is made; INVALID_ARGUMENT once there are too many.
//
// At most `max_splits` cuts, from the side that `from` says; negative: all.
// At runs of white space; none at either end gives an empty piece.
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> SplitWords(Runtime& runtime, std::string_view text,
                                                                       int64_t max_splits, SplitFrom from);
// At every `separator`. REQUIRES: it is not empty.
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> SplitAt(Runtime& runtime, std::string_view text,
                                                                    std::string_view separator, int64_t max_splits,
                                                                    SplitFrom from);

enum class LineEnds : uint8_t { kDrop, kKeep };
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> SplitLines(Runtime& runtime, std::string_view text,
                                                                       LineEnds ends);

}  // namespace batucada::jinja
