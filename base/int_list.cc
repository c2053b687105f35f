#include "base/int_list.h"

#include "base/json_string.h"

namespace batucada {
namespace {

constexpr int kMostDigits = 9;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Reads numbers and commas from `at` on, to where neither comes. `values` is empty if that is not behind a number.
size_t ReadInts(std::string_view text, size_t at, std::vector<int32_t>* values) {
  const auto skip = [&] {
    while (at < text.size() && IsBlank(text[at])) ++at;
  };
  while (true) {
    skip();
    const size_t begin = at;
    int32_t value = 0;
    while (at < text.size() && IsDigit(text[at]) && at - begin < kMostDigits) value = 10 * value + (text[at++] - '0');
    const bool zero_leads = at - begin > 1 && text[begin] == '0';
    if (at == begin || zero_leads || (at < text.size() && IsDigit(text[at]))) {
      values->clear();
      return at;
    }
    values->push_back(value);
    skip();
    if (at == text.size() || text[at] != ',') return at;
    ++at;
  }
}

}  // namespace

std::optional<IntList> NextIntList(std::string_view text, size_t from) {
  IntList list;
  for (size_t at = from; at < text.size();) {
    const char c = text[at++];
    if (c == '"') {
      at = EndOfJsonString(text, at) + 1;
    } else if (c == '[') {
      list.values.clear();
      list.begin = at;
      at = list.end = ReadInts(text, at, &list.values);
      if (list.values.size() >= IntList::kLeast && at < text.size() && text[at] == ']') return list;
    }
  }
  return std::nullopt;
}

}  // namespace batucada
