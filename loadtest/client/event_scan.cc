#include "loadtest/client/event_scan.h"

#include <cstring>

namespace batucada::loadtest {
namespace {

// Of the quote that ends the string beginning at `from`; json.size() if none does.
size_t EndOfString(std::string_view json, size_t from) {
  size_t at = from;
  while (true) {
    const void* quote = std::memchr(json.data() + at, '"', json.size() - at);
    if (quote == nullptr) return json.size();
    at = static_cast<const char*>(quote) - json.data();
    size_t backslashes = 0;
    while (at - backslashes > from && json[at - backslashes - 1] == '\\') ++backslashes;
    if (backslashes % 2 == 0) return at;
    ++at;
  }
}

size_t SkipSpaces(std::string_view json, size_t at) {
  while (at < json.size() && (json[at] == ' ' || json[at] == '\n' || json[at] == '\t')) ++at;
  return at;
}

bool IsText(std::string_view name) {
  return name == "text" || name == "content" || name == "reasoning_content" || name == "reasoning";
}

}  // namespace

EventTraits ScanEvent(std::string_view json) {
  EventTraits traits;
  size_t at = 0;
  while (at < json.size()) {
    const void* quote = std::memchr(json.data() + at, '"', json.size() - at);
    if (quote == nullptr) break;
    const size_t begin = static_cast<const char*>(quote) - json.data() + 1;
    const size_t end = EndOfString(json, begin);
    at = SkipSpaces(json, end + 1);
    if (at >= json.size() || json[at] != ':') continue;  // a value
    at = SkipSpaces(json, at + 1);
    const std::string_view name = json.substr(begin, end - begin);
    const std::string_view value = json.substr(at, 2);
    if (IsText(name)) {
      if (value.size() == 2 && value[0] == '"' && value[1] != '"') traits.has_text = true;
    } else if (name == "finish_reason" || name == "usage" || name == "error") {
      if (value.starts_with('"') || value.starts_with('{')) traits.needs_parse = true;
    }
  }
  return traits;
}

}  // namespace batucada::loadtest
