#include "base/int_list.h"

#include <bit>
#include <cstring>

#include "base/json_string.h"

namespace batucada {
namespace {

constexpr size_t kMostDigits = 9;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r'); }

// How many digits `text` begins with, and their value.
struct Digits {
  size_t count = 0;
  int32_t value = 0;
};

Digits ReadDigits(std::string_view text) {
  Digits read;
  while (read.count < text.size() && IsDigit(text[read.count]) && read.count < kMostDigits) {
    read.value = 10 * read.value + (text[read.count++] - '0');
  }
  return read;
}

// The same of a text of at least eight bytes that begins with at most seven digits, as ids do: all of them at once,
// without a branch for each. Nothing where there are more.
Digits ReadShort(const char* text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr uint64_t kZeros = 0x3030303030303030;
  uint64_t bytes = 0;
  std::memcpy(&bytes, text, sizeof bytes);
  bytes ^= kZeros;
  // The high bit of every byte that is more than nine.
  const uint64_t other = ((bytes + 0x7676767676767676) | bytes) & 0x8080808080808080;
  if (other == 0) return {};
  const auto count = static_cast<unsigned>(std::countr_zero(other)) / 8;
  if (count == 0) return {};
  bytes <<= 64 - 8 * count;  // zeros lead
  // Pairs, fours and eights of digits become one number each.
  bytes = (bytes & 0x0F000F000F000F00) / 256 + (bytes & 0x000F000F000F000F) * 10;
  bytes = (bytes & 0x00FF000000FF0000) / 65536 + (bytes & 0x000000FF000000FF) * 100;
  bytes = bytes / 0x100000000 + (bytes & 0x0000FFFF) * 10000;
  return {.count = count, .value = static_cast<int32_t>(bytes)};
}

// Reads numbers and commas from `at` on, to where neither comes. `values` is empty if that is not behind a number.
size_t ReadInts(std::string_view text, size_t at, std::vector<int32_t>* values) {
  const size_t first = at;
  const auto skip = [&] {
    while (at < text.size() && IsBlank(text[at])) ++at;
  };
  while (true) {
    skip();
    const size_t begin = at;
    Digits read;
    if (text.size() - at >= 8) read = ReadShort(text.data() + at);
    if (read.count == 0) read = ReadDigits(text.substr(at));
    at += read.count;
    const bool zero_leads = read.count > 1 && text[begin] == '0';
    if (read.count == 0 || zero_leads || (at < text.size() && IsDigit(text[at]))) {
      values->clear();
      return at;
    }
    values->push_back(read.value);
    // At once room for all that there seem to be.
    if (values->size() == IntList::kLeast) values->reserve((text.size() - first) / ((at - first) / IntList::kLeast));
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
