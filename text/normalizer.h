// The "normalizer" of tokenizer.json: rewrites text before it is split.
//
// NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace and Sequence of them. Immutable and thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/json_cursor.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace batucada {

class Normalizer {
 public:
  // An absent normalizer leaves text as it is. Errors are reported through the cursor.
  static Normalizer Parse(const JsonCursor& json);

  bool empty() const { return steps_.empty(); }

  // REQUIRES: valid UTF-8. RESOURCE_EXHAUSTED if a regular expression gives up or the text grows without measure.
  [[nodiscard]] absl::StatusOr<std::string> Normalize(std::string_view text, RegexScratch* scratch) const;

 private:
  struct Lowercase {};
  struct Strip {
    bool left, right;
  };
  struct Prepend {
    std::string text;
  };
  struct Replace {
    Regex pattern;
    std::string content;
  };
  using Step = std::variant<NormalForm, Lowercase, Strip, Prepend, Replace>;

  void ParseStep(const JsonCursor& json);

  static constexpr size_t kMaxSteps = 64;

  std::vector<Step> steps_;
};

}  // namespace batucada
