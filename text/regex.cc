#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "base/strings.h"
#include "text/json_cursor.h"
#include "text/regex_syntax.h"

namespace batucada {
namespace {

// Steps that a match may take from one place, and the memory. A sane pattern takes a few steps per byte of its match.
constexpr size_t kMatchSteps = 1'000'000, kMatchStepsPerByte = 16;
constexpr uint32_t kHeapLimitKib = 64 * 1024;

// The limit of steps starts anew at every place where a match may begin, so it cannot stop a pattern that takes some
// thousand steps at each of a million places (\s+$ on spaces). Therefore matches are looked for in windows of so many
// bytes to begin in, and between them the clock is looked at. GPT-2's pattern takes 10 ns a byte.
constexpr size_t kWindow = 128;
constexpr int64_t kTextNs = 1'000'000'000, kTextNsPerByte = 2'000;

int64_t TimeFor(size_t text_bytes) { return kTextNs + kTextNsPerByte * static_cast<int64_t>(text_bytes); }

std::string ErrorMessage(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

RegexScratch::RegexScratch()
    : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)), budget_(TimeFor(0)) {
  BATUCADA_CHECK(data_ != nullptr && context_ != nullptr, "out of memory");
  pcre2_set_heap_limit(context_, kHeapLimitKib);
}

void RegexScratch::Begin(size_t text_bytes) { budget_ = CpuBudget(TimeFor(text_bytes)); }

RegexScratch::~RegexScratch() {
  pcre2_match_data_free(data_);
  pcre2_match_context_free(context_);
}

absl::StatusOr<Regex> Regex::Compile(std::string_view oniguruma_pattern) {
  BATUCADA_ASSIGN_OR_RETURN(const std::string pattern, TranslateOniguruma(oniguruma_pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  // Oniguruma's ^ and $ are those of lines; the text is checked to be UTF-8 before it gets here.
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &error,
                    &offset, context);
  pcre2_compile_context_free(context);
  if (code == nullptr) {
    return absl::InvalidArgumentError(Concat("regular expression ", Quoted(oniguruma_pattern), " does not compile: ",
                                             ErrorMessage(error), " at byte ", offset, " of ", Quoted(pattern)));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, matching falls back to the interpreter
  return Regex(std::shared_ptr<pcre2_code>(code, pcre2_code_free));
}

absl::StatusOr<Regex> Regex::Literal(std::string_view text) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                   PCRE2_UTF | PCRE2_LITERAL | PCRE2_USE_OFFSET_LIMIT, &error, &offset, nullptr);
  if (code == nullptr) {
    return absl::InvalidArgumentError(Concat("cannot match ", Quoted(text), ": ", ErrorMessage(error)));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return Regex(std::shared_ptr<pcre2_code>(code, pcre2_code_free));
}

// One attempt at a match that begins at text[from, from + kWindow]: PCRE2's count of spans, or its error.
int Regex::MatchInWindow(std::string_view text, size_t from, RegexScratch* scratch) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  pcre2_set_offset_limit(scratch->context_, from + kWindow);
  const int count =
      pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, scratch->data_, scratch->context_);
  if (count != PCRE2_ERROR_JIT_STACKLIMIT) return count;
  // The interpreter keeps its stack on the heap.
  return pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, scratch->data_,
                     scratch->context_);
}

absl::Status Regex::FindAll(std::string_view text, RegexScratch* scratch, std::vector<Span>* matches) const {
  Search search;
  return FindSome(text, std::numeric_limits<size_t>::max(), &search, scratch, matches);
}

absl::Status Regex::FindSome(std::string_view text, size_t most, Search* search, RegexScratch* scratch,
                             std::vector<Span>* matches) const {
  matches->clear();
  pcre2_set_match_limit(scratch->context_, static_cast<uint32_t>(std::min<size_t>(
                                               kMatchSteps + kMatchStepsPerByte * text.size(), 1U << 31)));
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(scratch->data_);
  // The first character that begins behind text[at].
  const auto behind = [&](size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return at;
  };
  size_t& from = search->from;
  while (from <= text.size()) {
    if (matches->size() >= most) return absl::OkStatus();
    const int count = MatchInWindow(text, from, scratch);
    if (scratch->budget_.Spent()) {
      return absl::ResourceExhaustedError(
          Concat("the tokenizer's regular expression takes too long on this text: at "
                 "byte ",
                 from, " of ", text.size(), " its time was over"));
    }
    if (count == PCRE2_ERROR_NOMATCH) {
      from = behind(from + kWindow);
      continue;
    }
    if (count < 0) {
      return absl::ResourceExhaustedError(Concat("the tokenizer's regular expression gave up at byte ", from, " of ",
                                                 text.size(), ": ", ErrorMessage(count)));
    }
    const Span match{.begin = span[0], .end = span[1]};
    if (match.begin < match.end) {
      matches->push_back(match);
      search->last_end = match.end;
      from = match.end;
      continue;
    }
    // An empty match counts only where it does not touch the match before; then step over one character.
    if (search->last_end != match.begin) {
      matches->push_back(match);
      search->last_end = match.end;
    }
    from = behind(match.end);
  }
  search->done = true;
  return absl::OkStatus();
}

}  // namespace batucada
