// What one rendering has used up so far, and the makers of values that count it. Everything that can grow goes through
// here, so that no template escapes the bounds of limits.h. Not thread-safe; one per rendering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "text/jinja/limits.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace batucada::jinja {

class Runtime {
 public:
  // `now` is what strftime_now() tells.
  explicit Runtime(absl::Time now) : now_(now) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  absl::Time now() const { return now_; }

  // Counts work, before it is done. INVALID_ARGUMENT once there has been too much.
  [[nodiscard]] absl::Status Step(int64_t count = 1);
  // The same in units of limits.h, for what is finer than a step.
  [[nodiscard]] absl::Status Work(int64_t units);
  // Counts a search through `text` or a copy of it.
  [[nodiscard]] absl::Status StepOver(std::string_view text);
  // Counts looking at every character of `text`.
  [[nodiscard]] absl::Status StepThrough(std::string_view text);
  // Counts work where no error can be returned: the next one to count finds out.
  void Note(int64_t units);
  // Units so far.
  int64_t work() const { return work_; }
  // Counts memory, before it is taken. INVALID_ARGUMENT if the rendering took too much.
  [[nodiscard]] absl::Status Allocate(size_t bytes);
  // The same for a string, which must not be too long either.
  [[nodiscard]] absl::Status AllocateString(size_t bytes);

  // Values that are counted. INVALID_ARGUMENT past a limit.
  [[nodiscard]] absl::StatusOr<Value> String(std::string_view text);
  [[nodiscard]] absl::StatusOr<Value> Markup(std::string_view text);
  [[nodiscard]] absl::StatusOr<Value> Sequence(SequenceKind kind, std::vector<Value> items);
  [[nodiscard]] absl::StatusOr<Value> List(std::vector<Value> items);
  [[nodiscard]] absl::StatusOr<Value> Tuple(std::vector<Value> items);
  [[nodiscard]] absl::StatusOr<Value> OwnDict(Dict dict);
  [[nodiscard]] absl::StatusOr<Value> NewNamespace();
  // Refuses what would nest too deep; for makers of callables that hold values.
  [[nodiscard]] static absl::Status CheckDepth(int depth);

 private:
  absl::Status StepOverIndex(const Dict& dict);

  const absl::Time now_;
  int64_t work_ = 0;
  size_t allocated_ = 0;
  // Namespaces can hold each other in circles and in chains of any length. They are all kept until the end and taken
  // apart one by one.
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

// Builds one string piece by piece within the limits.
class TextBuilder {
 public:
  explicit TextBuilder(Runtime* runtime) : runtime_(runtime) {}

  [[nodiscard]] absl::Status Append(std::string_view text);
  // Appends what `write(c, &out)` makes of each character: counted by character, and never far ahead of the limits.
  template <typename Write>
  [[nodiscard]] absl::Status AppendEach(std::string_view text, Write write);
  const std::string& text() const { return text_; }
  std::string Take() { return std::move(text_); }

 private:
  Runtime* runtime_;
  std::string text_;
};

template <typename Write>
absl::Status TextBuilder::AppendEach(std::string_view text, Write write) {
  constexpr size_t kPiece = 4096;
  BATUCADA_RETURN_IF_ERROR(runtime_->StepThrough(text));
  std::string piece;
  for (size_t i = 0; i < text.size();) {
    write(NextCodepoint(text, &i), &piece);
    if (piece.size() < kPiece && i < text.size()) continue;
    BATUCADA_RETURN_IF_ERROR(Append(piece));
    piece.clear();
  }
  return absl::OkStatus();
}

}  // namespace batucada::jinja
