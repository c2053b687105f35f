#include "text/text_pattern.h"

#include <vector>

#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

Regex Placeholder() {
  absl::StatusOr<Regex> regex = Regex::Literal("a");
  BATUCADA_CHECK(regex.ok(), regex.status().message());
  return *std::move(regex);
}

}  // namespace

Regex ParsePattern(const JsonCursor& pattern) {
  const JsonCursor literal = pattern["String"];
  const JsonCursor source = pattern["Regex"];
  if (literal.absent() == source.absent()) {
    pattern.Fail("expected either {\"String\": …} or {\"Regex\": …}");
    return Placeholder();
  }
  const JsonCursor& given = literal.absent() ? source : literal;
  const std::string_view text = given.String();
  if (!given.ok()) return Placeholder();
  if (text.empty()) {
    given.Fail("a pattern must not be empty");
    return Placeholder();
  }
  absl::StatusOr<Regex> regex = literal.absent() ? Regex::Compile(text) : Regex::Literal(text);
  if (regex.ok()) return *std::move(regex);
  if (absl::IsUnimplemented(regex.status())) {
    given.Unsupported(std::string{regex.status().message()});
  } else {
    given.Fail(std::string{regex.status().message()});
  }
  return Placeholder();
}

absl::StatusOr<std::string> ReplaceAll(const Regex& pattern, std::string_view content, std::string_view text,
                                       size_t max_bytes, RegexScratch* scratch) {
  std::vector<Regex::Span> matches;
  BATUCADA_RETURN_IF_ERROR(pattern.FindAll(text, scratch, &matches));
  if (matches.size() * content.size() + text.size() > max_bytes) {
    return absl::ResourceExhaustedError(Concat("replacing ", matches.size(), " matches by ", content.size(),
                                               " bytes each makes a text of more than ", max_bytes, " bytes"));
  }
  std::string result;
  result.reserve(text.size());
  size_t from = 0;
  for (const Regex::Span& match : matches) {
    result += text.substr(from, match.begin - from);
    result += content;
    from = match.end;
  }
  result += text.substr(from);
  return result;
}

}  // namespace batucada
