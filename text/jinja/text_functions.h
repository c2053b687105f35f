// What the methods of str and the filters for text share.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// At most `count` replacements; negative: all. An empty `from` is found between all characters.
[[nodiscard]] absl::StatusOr<Value> Replace(Runtime& runtime, std::string_view text, std::string_view from,
                                            std::string_view to, int64_t count);

enum class PadSide : uint8_t { kLeft, kRight, kBoth };
// `text` with `fill`, one character, on one side or both, up to `width` characters.
[[nodiscard]] absl::StatusOr<Value> Padded(Runtime& runtime, std::string_view text, int64_t width,
                                           std::string_view fill, PadSide side);

[[nodiscard]] absl::StatusOr<Value> StringList(Runtime& runtime, const std::vector<std::string_view>& pieces);

// A stretch of a text.
struct Window {
  int64_t first = 0;  // in characters
  std::string_view text;
};
// text[start:end] of str.find and its like; nothing if it begins behind the end of the text.
[[nodiscard]] absl::StatusOr<std::optional<Window>> CutWindow(Runtime& runtime, std::string_view text,
                                                              const Value* start, const Value* end);

// Counts the work of rfind, which is the product of the sizes at worst.
[[nodiscard]] absl::Status StepOverBackwardSearch(Runtime& runtime, std::string_view text, std::string_view needle);

}  // namespace batucada::jinja
