// Filters over sequences and dicts.
#include "text/jinja/builtins.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/operators.h"
#include "text/jinja/stable_sort.h"
#include "text/jinja/text.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<Value>;

const Value& Or(const Value* argument, const Value& fallback) { return argument == nullptr ? fallback : *argument; }

// An item beside what it is compared by.
struct Keyed {
  Value key;
  Value item;
};

absl::StatusOr<std::vector<Keyed>> WithKeys(Runtime& runtime, const std::vector<Value>& items,
                                            const AttributePath& path, bool case_sensitive) {
  std::vector<Keyed> keyed;
  BATUCADA_RETURN_IF_ERROR(runtime.Allocate(items.size() * sizeof(Keyed)));
  for (const Value& item : items) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(Value key, path.Get(runtime, item, std::nullopt));
    if (!case_sensitive) {
      BATUCADA_ASSIGN_OR_RETURN(key, IgnoreCase(runtime, key));
    }
    keyed.push_back({.key = std::move(key), .item = item});
  }
  return keyed;
}

// Stable; in reverse, equal items keep their order too.
absl::StatusOr<std::vector<Value>> SortedItems(Runtime& runtime, std::vector<Keyed> keyed, bool reverse) {
  const auto less = [&](const Keyed& a, const Keyed& b) {
    return Compare(runtime, ComparisonOperator::kLess, reverse ? b.key : a.key, reverse ? a.key : b.key);
  };
  BATUCADA_RETURN_IF_ERROR(StableSort(&keyed, less));
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (Keyed& pair : keyed) items.push_back(std::move(pair.item));
  return items;
}

Result ListFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("list", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  return runtime.List(sequence->items);
}

Result FirstFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("first", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  if (sequence->items.empty()) return Value::Undefined("No first item, sequence was empty.");
  return sequence->items.front();
}

Result LastFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("last", arguments, {}, 0).status());
  if (input.Is(SequenceKind::kGenerator)) return absl::InvalidArgumentError("'generator' object is not reversible");
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  if (sequence->items.empty()) return Value::Undefined("No last item, sequence was empty.");
  return sequence->items.back();
}

Result ReverseFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("reverse", arguments, {}, 0).status());
  if (input.Is(Kind::kString)) return GetSlice(runtime, input, Value(), Value(), Value::Int(-1));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  std::vector<Value> items(sequence->items.rbegin(), sequence->items.rend());
  // Python reverses a generator as a list and everything else as it goes.
  return runtime.Sequence(input.Is(SequenceKind::kGenerator) ? SequenceKind::kList : SequenceKind::kGenerator,
                          std::move(items));
}

// `attribute` may name several, separated by commas: the later ones decide between equals.
Result SortFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("sort", arguments, {"reverse", "case_sensitive", "attribute"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t reverse, IntArgument(bound[0], "reverse", 0));
  const bool case_sensitive = TruthArgument(bound[1], false);
  std::vector<AttributePath> paths;
  const Value attribute = Or(bound[2], Value());
  if (attribute.Is(Kind::kString)) {
    BATUCADA_ASSIGN_OR_RETURN(const auto parts, SplitAt(runtime, attribute.text(), ",", -1, SplitFrom::kLeft));
    for (const std::string_view part : parts) {
      BATUCADA_ASSIGN_OR_RETURN(AttributePath path, AttributePath::Parse(runtime, Value::String(std::string(part))));
      paths.push_back(std::move(path));
    }
  } else {
    BATUCADA_ASSIGN_OR_RETURN(AttributePath path, AttributePath::Parse(runtime, attribute));
    paths.push_back(std::move(path));
  }
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  std::vector<Keyed> keyed;
  BATUCADA_RETURN_IF_ERROR(runtime.Allocate(2 * sequence->items.size() * sizeof(Keyed)));
  for (const Value& item : sequence->items) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths) {
      BATUCADA_ASSIGN_OR_RETURN(Value key, path.Get(runtime, item, std::nullopt));
      if (!case_sensitive) {
        BATUCADA_ASSIGN_OR_RETURN(key, IgnoreCase(runtime, key));
      }
      keys.push_back(std::move(key));
    }
    BATUCADA_ASSIGN_OR_RETURN(Value key, runtime.List(std::move(keys)));
    keyed.push_back({.key = std::move(key), .item = item});
  }
  BATUCADA_ASSIGN_OR_RETURN(std::vector<Value> items, SortedItems(runtime, std::move(keyed), reverse != 0));
  return runtime.List(std::move(items));
}

Result DictSortFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("dictsort", arguments, {"case_sensitive", "by", "reverse"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view by, TextArgument(bound[1], "by", "key"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t reverse, IntArgument(bound[2], "reverse", 0));
  if (by != "key" && by != "value") return absl::InvalidArgumentError("dictsort: 'by' must be \"key\" or \"value\"");
  if (input.Is(Kind::kUndefined)) return UndefinedError(input);
  if (!input.Is(Kind::kDict)) {
    return absl::InvalidArgumentError(Concat("dictsort is for dicts, not for a ", input.TypeName()));
  }
  BATUCADA_ASSIGN_OR_RETURN(const Value items, BindMethod(input, "items").callable().Call(runtime, {}));
  BATUCADA_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(runtime, Value::Int(by == "key" ? 0 : 1)));
  BATUCADA_ASSIGN_OR_RETURN(std::vector<Keyed> keyed, WithKeys(runtime, items.sequence()->items, path,
                                                               /*case_sensitive=*/TruthArgument(bound[0], false)));
  BATUCADA_ASSIGN_OR_RETURN(std::vector<Value> sorted, SortedItems(runtime, std::move(keyed), reverse != 0));
  return runtime.List(std::move(sorted));
}

Result UniqueFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("unique", arguments, {"case_sensitive", "attribute"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(runtime, Or(bound[1], Value())));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<Keyed> keyed,
                            WithKeys(runtime, sequence->items, path, TruthArgument(bound[0], false)));
  Dict seen;
  bool seen_undefined = false;
  std::vector<Value> unique;
  for (const Keyed& pair : keyed) {
    if (pair.key.Is(Kind::kUndefined)) {
      if (!std::exchange(seen_undefined, true)) unique.push_back(pair.item);
      continue;
    }
    if (!Dict::IsKey(pair.key)) {
      return absl::InvalidArgumentError(Concat("unique is not for a ", pair.key.TypeName()));
    }
    // The index of `seen` copies keys.
    const size_t key_bytes = 64 + (pair.key.Is(Kind::kString) ? pair.key.text().size() : 0);
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(2 * key_bytes));
    if (seen.Find(pair.key) != nullptr) continue;
    seen.Set(pair.key, Value());
    unique.push_back(pair.item);
  }
  return runtime.Sequence(SequenceKind::kGenerator, std::move(unique));
}

// The first of the items that no other one beats.
Result Extreme(Runtime& runtime, const Value& input, const Arguments& arguments, ComparisonOperator beats) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("min and max", arguments, {"case_sensitive", "attribute"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(runtime, Or(bound[1], Value())));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  if (sequence->items.empty()) return Value::Undefined("No aggregated item, sequence was empty.");
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<Keyed> keyed,
                            WithKeys(runtime, sequence->items, path, TruthArgument(bound[0], false)));
  size_t best = 0;
  for (size_t i = 1; i < keyed.size(); ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const bool better, Compare(runtime, beats, keyed[i].key, keyed[best].key));
    if (better) best = i;
  }
  return keyed[best].item;
}

Result MinFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return Extreme(runtime, input, arguments, ComparisonOperator::kLess);
}

Result MaxFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return Extreme(runtime, input, arguments, ComparisonOperator::kGreater);
}

Result SumFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("sum", arguments, {"attribute", "start"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(runtime, Or(bound[0], Value())));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  Value sum = Or(bound[1], Value::Int(0));
  if (sum.Is(Kind::kString)) return absl::InvalidArgumentError("sum cannot sum strings; use join");
  for (const Value& item : sequence->items) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(const Value addend, path.Get(runtime, item, std::nullopt));
    BATUCADA_ASSIGN_OR_RETURN(sum, Apply(runtime, BinaryOperator::kAdd, sum, addend));
  }
  return sum;
}

Result BatchFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("batch", arguments, {"linecount", "fill_with"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t size, IntArgument(bound[0], "linecount", 1));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  std::vector<Value> batches;
  std::vector<Value> batch;
  for (const Value& item : sequence->items) {
    if (static_cast<int64_t>(batch.size()) == size) {
      BATUCADA_ASSIGN_OR_RETURN(Value full, runtime.List(std::exchange(batch, {})));
      batches.push_back(std::move(full));
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    const auto missing = static_cast<size_t>(std::max<int64_t>(size - static_cast<int64_t>(batch.size()), 0));
    if (bound[1] != nullptr && !bound[1]->Is(Kind::kNone)) {
      BATUCADA_RETURN_IF_ERROR(runtime.Allocate(std::min(missing, kMaxAllocatedBytes) * sizeof(Value)));
      batch.resize(batch.size() + missing, *bound[1]);
    }
    BATUCADA_ASSIGN_OR_RETURN(Value last, runtime.List(std::move(batch)));
    batches.push_back(std::move(last));
  }
  return runtime.Sequence(SequenceKind::kGenerator, std::move(batches));
}

Result ItemsFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("items", arguments, {}, 0).status());
  if (input.Is(Kind::kUndefined)) return runtime.Sequence(SequenceKind::kGenerator, {});
  if (!input.Is(Kind::kDict)) return absl::InvalidArgumentError("Can only get item pairs from a mapping.");
  BATUCADA_ASSIGN_OR_RETURN(const Value items, BindMethod(input, "items").callable().Call(runtime, {}));
  return runtime.Sequence(SequenceKind::kGenerator, items.sequence()->items);
}

constexpr Filter kSequenceFilters[] = {
    {"batch", BatchFilter},     {"dictsort", DictSortFilter}, {"first", FirstFilter}, {"items", ItemsFilter},
    {"last", LastFilter},       {"list", ListFilter},         {"max", MaxFilter},     {"min", MinFilter},
    {"reverse", ReverseFilter}, {"sort", SortFilter},         {"sum", SumFilter},     {"unique", UniqueFilter},
};

}  // namespace

std::span<const Filter> SequenceFilters() { return kSequenceFilters; }

}  // namespace batucada::jinja
