#include "base/int_list.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/count_bytes.h"
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

// What eight digits say, of which the first is the lowest byte.
uint32_t ValueOf(uint64_t digits) {
  // Pairs, fours and eights of them become one number each.
  digits = (digits * (10 << 8 | 1) >> 8) & 0x00FF00FF00FF00FF;
  digits = (digits * (100 << 16 | 1) >> 16) & 0x0000FFFF0000FFFF;
  return static_cast<uint32_t>(digits * (uint64_t{10'000} << 32 | 1) >> 32);
}

// ReadDigits of a text of at least eight bytes, up to the seventh digit: all at once, without a branch for each.
[[gnu::always_inline]] inline Digits ReadSeven(const char* text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr uint64_t kZeros = 0x3030303030303030;
  uint64_t bytes = 0;
  std::memcpy(&bytes, text, sizeof bytes);
  bytes ^= kZeros;
  // The high bit of every byte that is more than nine, and of the last.
  const uint64_t other = ((bytes + 0x7676767676767676) | bytes | uint64_t{1} << 63) & 0x8080808080808080;
  const auto bit = static_cast<unsigned>(std::countr_zero(other));
  bytes = bytes << 1 << (70 - bit);  // zeros lead, and of no digit there are zeros alone
  return {.count = bit / 8, .value = static_cast<int32_t>(ValueOf(bytes))};
}

// The least number of so many digits without a zero that leads. No digit is read as 0, which is none.
constexpr std::array<int32_t, 8> kLeastOf = {1, 0, 10, 100, 1'000, 10'000, 100'000, 1'000'000};

// Some of a list's numbers, one after the other: from `at` on, to `out`.
struct Lane {
  const char* at;
  int32_t* out;
  int32_t* end;

  // Reads one that a comma follows, and a blank where `separator` is two bytes. False if there is no such number.
  [[gnu::always_inline]] bool Step(size_t separator) {
    const Digits read = ReadSeven(at);
    const char* const behind = at + read.count;
    if (read.value < kLeastOf[read.count] || behind[0] != ',' || (separator == 2 && behind[1] != ' ')) return false;
    *out++ = read.value;
    at = behind + separator;
    return true;
  }
};

// Reads on from `comma`, in a list that ends at `close` if it is one, where numbers are as programs write them, with
// "," or ", " between. Where a number begins is known only when the one before has been read, so four parts of the list
// are read at a time. The comma behind the last number, or `comma` and no value where there is anything else.
size_t ReadPlain(std::string_view text, size_t comma, size_t close, std::vector<int32_t>* values) {
  constexpr size_t kLanes = 4, kAhead = 8;  // bytes that a lane may look at
  const size_t reach = std::min(close, text.size() - std::min(text.size(), kAhead));
  const size_t last = text.rfind(',', reach);
  if (last == text.npos || last <= comma) return comma;
  const size_t separator = text[comma + 1] == ' ' ? 2 : 1, before = values->size();
  std::array<size_t, kLanes + 1> cut = {comma};     // commas between the lanes
  std::array<size_t, kLanes + 1> first = {before};  // of each lane's values
  for (size_t i = 1; i <= kLanes; ++i) {
    cut[i] = text.rfind(',', comma + (last - comma) * i / kLanes);
    first[i] = first[i - 1] + static_cast<size_t>(CountBytes(text.substr(cut[i - 1] + 1, cut[i] - cut[i - 1]), ','));
  }
  values->reserve(first[kLanes] + 1);  // one more comes behind the last comma
  values->resize(first[kLanes]);
  const auto lane = [&](size_t i) {
    return Lane{text.data() + cut[i] + separator, values->data() + first[i], values->data() + first[i + 1]};
  };
  Lane a = lane(0), b = lane(1), c = lane(2), d = lane(3);
  bool good = true;
  for (auto n = std::min({a.end - a.out, b.end - b.out, c.end - c.out, d.end - d.out}); n > 0 && good; --n) {
    good = a.Step(separator) && b.Step(separator) && c.Step(separator) && d.Step(separator);
  }
  for (Lane rest : {a, b, c, d}) {
    while (good && rest.out < rest.end) good = rest.Step(separator);
  }
  if (good) return last;
  values->resize(before);
  return comma;
}

// Reads numbers and commas from `at` on, to where neither comes. `values` is empty if that is not behind a number. Up
// to `tried` it is known that ReadPlain reads nothing, so that it looks at every byte once.
size_t ReadInts(std::string_view text, size_t at, size_t* tried, std::vector<int32_t>* values) {
  const auto skip = [&] {
    while (at < text.size() && IsBlank(text[at])) ++at;
  };
  while (true) {
    skip();
    const size_t begin = at;
    Digits read;
    if (text.size() - at >= 8) read = ReadSeven(text.data() + at);
    if (read.count == 0 || read.count == 7) read = ReadDigits(text.substr(at));
    at += read.count;
    const bool zero_leads = read.count > 1 && text[begin] == '0';
    if (read.count == 0 || zero_leads || (at < text.size() && IsDigit(text[at]))) {
      values->clear();
      return at;
    }
    values->push_back(read.value);
    skip();
    if (at == text.size() || text[at] != ',') return at;
    if (values->size() == IntList::kLeast && at >= *tried) {
      *tried = std::min(text.find(']', at), text.size());
      at = ReadPlain(text, at, *tried, values);
    }
    ++at;
  }
}

}  // namespace

std::optional<IntList> NextIntList(std::string_view text, size_t from) {
  IntList list;
  size_t tried = 0;
  for (size_t at = from; at < text.size();) {
    const char c = text[at++];
    if (c == '"') {
      at = EndOfJsonString(text, at) + 1;
    } else if (c == '[') {
      list.values.clear();
      list.begin = at;
      at = list.end = ReadInts(text, at, &tried, &list.values);
      if (list.values.size() >= IntList::kLeast && at < text.size() && text[at] == ']') return list;
    }
  }
  return std::nullopt;
}

}  // namespace batucada
