// Regular expressions of tokenizer.json: written for Oniguruma (its Ruby syntax), run by PCRE2 with its JIT.
//
// Compile translates what the two read differently (\s, \w, \d, \h, (?m), {n,m}+ and the like) and refuses what it does
// not know to mean the same, so that a text never splits in a subtly different way. Character properties are those of
// PCRE2's Unicode version (14 or 15). Matching runs under limits: a pattern that blows up on a text, be it on one match
// or by looking through the whole text from every place of it, is an error for that text, not a stall.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/cpu_budget.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace batucada {

// The working memory of matches, and the time they may take. Not thread-safe; reuse one for many matches.
class RegexScratch {
 public:
  RegexScratch();

  // What is matched from here on belongs to a new text of so many bytes: all its matches together have a time in
  // proportion to that.
  void Begin(size_t text_bytes);

  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  pcre2_real_match_data_8* data_;
  pcre2_real_match_context_8* context_;
  CpuBudget budget_;
};

// Immutable and thread-safe; copies share the compiled code.
class Regex {
 public:
  struct Span {
    size_t begin = 0, end = 0;  // bytes
  };

  // INVALID_ARGUMENT for a malformed pattern, UNIMPLEMENTED for a construct that is not translated.
  [[nodiscard]] static absl::StatusOr<Regex> Compile(std::string_view oniguruma_pattern);
  // Matches `text` itself. REQUIRES: not empty.
  [[nodiscard]] static absl::StatusOr<Regex> Literal(std::string_view text);

  // How far the matches of a text were found.
  struct Search {
    size_t from = 0;                 // bytes
    std::optional<size_t> last_end;  // of the match before, if there was one
    bool done = false;
  };

  // All matches from left to right, not overlapping; no empty match right behind a match. Replaces *matches.
  // RESOURCE_EXHAUSTED if a limit is hit, of one match or of the text that the scratch is at. REQUIRES: `text` is valid
  // UTF-8.
  [[nodiscard]] absl::Status FindAll(std::string_view text, RegexScratch* scratch, std::vector<Span>* matches) const;
  // The next of them, up to `most`, with one `search` for all of `text`.
  [[nodiscard]] absl::Status FindSome(std::string_view text, size_t most, Search* search, RegexScratch* scratch,
                                      std::vector<Span>* matches) const;

 private:
  explicit Regex(std::shared_ptr<pcre2_real_code_8> code) : code_(std::move(code)) {}

  int MatchInWindow(std::string_view text, size_t from, RegexScratch* scratch) const;

  std::shared_ptr<pcre2_real_code_8> code_;
};

}  // namespace batucada
