// The "pattern" of tokenizer.json: {"String": "…"} or {"Regex": "…"}.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/json_cursor.h"
#include "text/regex.h"

namespace batucada {

// Reports a bad pattern through the cursor and returns one that is only good for going on parsing.
Regex ParsePattern(const JsonCursor& pattern);

// `text` with every match replaced. RESOURCE_EXHAUSTED if that makes more than `max_bytes`. REQUIRES: valid UTF-8.
[[nodiscard]] absl::StatusOr<std::string> ReplaceAll(const Regex& pattern, std::string_view content,
                                                     std::string_view text, size_t max_bytes, RegexScratch* scratch);

}  // namespace batucada
