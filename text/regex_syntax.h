// From Oniguruma's Ruby syntax, in which tokenizer.json writes its regular expressions, to PCRE2's.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace batucada {

// The PCRE2 pattern (for PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE) that matches what `pattern` matches in Oniguruma.
// UNIMPLEMENTED, naming the construct, for what has no known equal: set operations and nested classes, POSIX brackets,
// back-references, \K, \G, \X and other rare escapes, inline flags other than i, m and x.
[[nodiscard]] absl::StatusOr<std::string> TranslateOniguruma(std::string_view pattern);

}  // namespace batucada
