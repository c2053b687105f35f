#include "text/jinja/text_functions.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/status.h"
#include "text/jinja/callable.h"
#include "text/jinja/characters.h"

namespace batucada::jinja {

absl::StatusOr<Value> Replace(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                              int64_t count) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  TextBuilder out(&runtime);
  while (count != 0) {
    const size_t at = from.empty() ? 0 : Find(text, from);
    if (at == std::string_view::npos) break;
    BATUCADA_RETURN_IF_ERROR(runtime.Work(kWorkPerStep / 2));
    BATUCADA_RETURN_IF_ERROR(out.Append(text.substr(0, at)));
    BATUCADA_RETURN_IF_ERROR(out.Append(to));
    --count;
    if (from.empty()) {
      if (text.empty()) return runtime.String(out.text());
      const size_t character = ByteOffset(text, 1);
      BATUCADA_RETURN_IF_ERROR(out.Append(text.substr(0, character)));
      text.remove_prefix(character);
    } else {
      text.remove_prefix(at + from.size());
    }
  }
  BATUCADA_RETURN_IF_ERROR(out.Append(text));
  return runtime.String(out.text());
}

absl::StatusOr<Value> Padded(Runtime& runtime, std::string_view text, int64_t width, std::string_view fill,
                             PadSide side) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  const auto length = static_cast<int64_t>(Length(text));
  const int64_t missing = std::max<int64_t>(width - length, 0);
  const int64_t largest = static_cast<int64_t>(kMaxStringBytes);
  BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(static_cast<size_t>(std::min(missing, largest + 1)) * fill.size()));
  int64_t left = side == PadSide::kLeft ? missing : 0;
  if (side == PadSide::kBoth) left = missing / 2 + (missing & width & 1);  // as CPython rounds
  BATUCADA_RETURN_IF_ERROR(runtime.Step(1 + missing / 16));
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return runtime.String(out);
}

absl::StatusOr<Value> StringList(Runtime& runtime, const std::vector<std::string_view>& pieces) {
  std::vector<Value> items;
  items.reserve(pieces.size());
  for (const std::string_view piece : pieces) {
    BATUCADA_ASSIGN_OR_RETURN(Value item, runtime.String(piece));
    items.push_back(std::move(item));
  }
  return runtime.List(std::move(items));
}

absl::StatusOr<std::optional<Window>> CutWindow(Runtime& runtime, std::string_view text, const Value* start,
                                                const Value* end) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  const auto given = [](const Value* bound) { return bound != nullptr && !bound->Is(Kind::kNone) ? bound : nullptr; };
  BATUCADA_ASSIGN_OR_RETURN(const int64_t first, IntArgument(given(start), "start", 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t last, IntArgument(given(end), "end", std::numeric_limits<int64_t>::max()));
  const auto length = static_cast<int64_t>(Length(text));
  if (first > length) return std::optional<Window>();
  const SliceRange range = ResolveSlice(length, first, last, 1);
  const int64_t resolved_last = last < 0 ? std::max<int64_t>(last + length, 0) : last;
  if (range.first > resolved_last) return std::optional<Window>();
  const std::string_view rest = text.substr(ByteOffset(text, static_cast<size_t>(range.first)));
  return Window{.first = range.first, .text = rest.substr(0, ByteOffset(rest, static_cast<size_t>(range.count)))};
}

absl::Status StepOverBackwardSearch(Runtime& runtime, std::string_view text, std::string_view needle) {
  return runtime.Work(kWorkPerStep + static_cast<int64_t>(text.size()) * static_cast<int64_t>(needle.size() + 1));
}

}  // namespace batucada::jinja
