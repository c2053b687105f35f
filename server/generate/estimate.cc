#include "server/generate/estimate.h"

#include <algorithm>

#include "base/count_bytes.h"
#include "base/json_string.h"

namespace batucada {
namespace {

// A JSON value, the parser's stack of them, which doubles, and the number or string that it becomes.
constexpr int64_t kJsonValueBytes = 96;
// For each byte of text: the value, the parameter, its normalized form, and ids of at least a byte each, in a list that
// doubles.
constexpr int64_t kTextFactor = 12;
// For each byte of a word, while its symbols are merged: the symbols, the list that links them, and the pairs that
// wait, in a list that doubles.
constexpr int64_t kWordFactor = 40;
// A choice's channel, its sequence with a copy of the request that shares its arrays, and what it is written by.
constexpr int64_t kChoiceBytes = 4096;
constexpr int64_t kTokenBytes = 96;    // a result in a list that doubles, and its text
constexpr int64_t kTopListBytes = 32;  // of its alternatives, before the first
constexpr int64_t kEntryBytes = 48;    // a reference to a result, in a list that doubles
constexpr int64_t kTopBytes = 16;      // of one

// A word is a row of blanks or of anything else; control characters are between words.
enum class ByteKind : uint8_t { kBlank, kSeparator, kOther };

ByteKind KindOf(char c) {
  if (c == ' ') return ByteKind::kBlank;
  const bool separates = static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' && c != '\r';
  return separates ? ByteKind::kSeparator : ByteKind::kOther;
}

int64_t ResultBytes(int32_t top) { return kTokenBytes + (top > 0 ? kTopListBytes + kTopBytes * top : 0); }

}  // namespace

int64_t WordBytes(std::string_view text) {
  // Of a row no longer than the longest so far only the end is looked at.
  size_t longest = 0;
  for (size_t begin = 0; begin + longest < text.size();) {
    const size_t reach = begin + longest;
    const ByteKind kind = KindOf(text[reach]);
    size_t first = reach;
    while (first > begin && KindOf(text[first - 1]) == kind) --first;
    if (kind == ByteKind::kSeparator) {
      begin = reach + 1;
    } else if (first > begin) {
      begin = first;
    } else {
      size_t end = reach + 1;
      while (end < text.size() && KindOf(text[end]) == kind) ++end;
      longest = end - begin;
      begin = end;
    }
  }
  return static_cast<int64_t>(longest) * kWordFactor;
}

int64_t ParsingBytes(std::string_view body) {
  int64_t values = 1, word = 0;
  for (size_t at = 0; at < body.size();) {
    const size_t quote = std::min(body.find('"', at), body.size());
    values += CountBytes(body.substr(at, quote - at), ',', ':', '[', '{');  // what a value begins behind
    if (quote == body.size()) break;
    at = EndOfJsonString(body, quote + 1);
    word = std::max(word, WordBytes(body.substr(quote + 1, at - quote - 1)));
    ++at;
  }
  return values * kJsonValueBytes + static_cast<int64_t>(body.size()) * kTextFactor + word;
}

int64_t PromptBytes(const Translation& translation) {
  int64_t bytes = 0;
  for (const Request& request : translation.requests) {
    bytes += static_cast<int64_t>(request.prompt.size() * sizeof(int32_t));
  }
  for (const std::string& text : translation.prompt_text) {
    bytes += static_cast<int64_t>(text.size()) * (1 + translation.choices_per_prompt);
  }
  const Request& any = translation.requests.front();
  bytes += static_cast<int64_t>(any.sampling.allowed_token_ids.size() * sizeof(int32_t));
  // A grammar grows while it is used: by a mask for each state that texts come to.
  constexpr int64_t kLeastGrammar = 1 << 20;
  if (any.constraint != nullptr) bytes += std::max(kLeastGrammar, any.constraint->bytes());
  return bytes + static_cast<int64_t>(any.sampling.logit_bias.size() * sizeof(LogitBias));
}

int64_t ScoreBytes(const Translation& translation) {
  // An echo with log-probabilities has them among each choice's own, by reference.
  const int64_t echo_bytes = translation.prompt_text.empty() ? 0 : kEntryBytes * translation.choices_per_prompt;
  int64_t bytes = 0;
  for (const Request& request : translation.requests) {
    if (!request.prompt_logprobs) continue;
    bytes += static_cast<int64_t>(request.prompt.size()) * (ResultBytes(*request.prompt_logprobs) + echo_bytes);
  }
  return bytes;
}

int64_t ChoiceBytes(const Translation& translation) {
  return static_cast<int64_t>(translation.choices()) * kChoiceBytes;
}

int64_t TokenBytes(std::optional<int32_t> logprobs) { return ResultBytes(logprobs.value_or(0)); }

}  // namespace batucada
