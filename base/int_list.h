// Long lists of whole numbers in a JSON text: a prompt as token ids is a hundred thousand of them, which a parser that
// makes a value of each, whatever it is, reads several times slower.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace batucada {

struct IntList {
  static constexpr size_t kLeast = 256;  // shorter ones are not looked for
  size_t begin = 0, end = 0;             // of what stands between [ and ]
  std::vector<int32_t> values;
};

// The first list from `from` on, which is in no string, that holds nothing but numbers of at most nine digits. What
// stands before it need not be JSON. Takes time in proportion to the text up to its end.
std::optional<IntList> NextIntList(std::string_view text, size_t from);

}  // namespace batucada
