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
#include "engine/text/jinja/limits.h"
#include "engine/text/jinja/value.h"

namespace batucada::jinja {

class Runtime {
 public:
  // `now` is what strftime_now() tells.
  explicit Runtime(absl::Time now) : now_(now) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  absl::Time now() const { return now_; }

  // Counts work. INVALID_ARGUMENT once there has been too much.
  [[nodiscard]] absl::Status Step(int64_t count = 1);
  // Counts the work of walking over `text` a few times.
  [[nodiscard]] absl::Status StepOver(std::string_view text);
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
  const absl::Time now_;
  int64_t steps_ = 0;
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
  const std::string& text() const { return text_; }
  std::string Take() { return std::move(text_); }

 private:
  Runtime* runtime_;
  std::string text_;
};

}  // namespace batucada::jinja
