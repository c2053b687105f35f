// A stable merge sort whose order may fail, as that of values does: std::stable_sort cannot stop on an error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/status.h"

namespace batucada::jinja {

// `less(a, b)` returns absl::StatusOr<bool>. Its first error ends the sort; the items are then in no certain order.
template <typename Item, typename Less>
[[nodiscard]] absl::Status StableSort(std::vector<Item>* items, Less less) {
  std::vector<Item> merged;
  for (size_t run = 1; run < items->size(); run *= 2) {
    merged.clear();
    merged.reserve(items->size());
    for (size_t begin = 0; begin < items->size(); begin += 2 * run) {
      const size_t middle = std::min(begin + run, items->size());
      const size_t end = std::min(begin + 2 * run, items->size());
      size_t left = begin;
      size_t right = middle;
      while (left < middle && right < end) {
        BATUCADA_ASSIGN_OR_RETURN(const bool right_first, less((*items)[right], (*items)[left]));
        merged.push_back(std::move((*items)[right_first ? right++ : left++]));
      }
      while (left < middle) merged.push_back(std::move((*items)[left++]));
      while (right < end) merged.push_back(std::move((*items)[right++]));
    }
    items->swap(merged);
  }
  return absl::OkStatus();
}

}  // namespace batucada::jinja
