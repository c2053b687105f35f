// What a rendering may cost, what it has cost so far, and the names it knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace batucada::jinja {

// What one template and one rendering may cost. A chat template is a small program from a model's directory and the
// conversation comes from a stranger: whatever either holds, rendering ends soon, within bounded memory, with a text or
// with an error that names the limit.

// Of a template's source. The longest published ones, with tool calls in several languages, have about 30 KiB.
inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;

// How deep expressions and blocks nest in a template's source. Published templates stay below 40; parsing, evaluating
// and destroying recurse once for each level.
inline constexpr int kMaxSyntaxDepth = 160;

// How deep evaluation recurses: blocks, expressions and the macros that they call, all together. A macro that renders
// nested JSON schemas takes about ten levels for each level of the schema. At most about 2 KiB of stack a level in a
// release build.
inline constexpr int kMaxEvaluationDepth = 800;

// How deep lists and dicts nest inside each other; printing, comparing and destroying them recurses.
inline constexpr int kMaxValueDepth = 200;

// Steps: one for each expression or statement evaluated, for each element visited or made, for each 64 bytes of text
// copied or searched and for each 16 that are looked at character by character. Whatever a filter, method or operator
// does is counted in these: the bytes that it reads and writes, the pieces that it cuts, the comparisons that it makes,
// never the calls. A message costs about 50, so a conversation of 10,000 messages takes a tenth; all of them last about
// half a second.
inline constexpr int64_t kMaxSteps = 5'000'000;

// What is counted, so that small texts are not lost by rounding: a byte copied or searched is one, a step is 64.
inline constexpr int64_t kWorkPerStep = 64;
inline constexpr int64_t kWorkPerCharacterByte = 4;
inline constexpr int64_t kMaxWork = kMaxSteps * kWorkPerStep;

// Of the rendered text, and of any string on the way there. Four million tokens or so.
inline constexpr size_t kMaxStringBytes = size_t{1} << 24;

// Of everything made during one rendering, whether or not it is still alive: a bound on memory and on copying. A
// template that appends each message to a list copies quadratically and gets through 5,000 messages.
inline constexpr size_t kMaxAllocatedBytes = size_t{1} << 29;

// Numbers in one range(): what jinja2's sandbox allows.
inline constexpr int64_t kMaxRange = 100'000;

// Counts how deep a recursion is while it lives.

class DepthGuard {
 public:
  explicit DepthGuard(int* depth) : depth_(depth) { ++*depth_; }
  ~DepthGuard() { --*depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int* const depth_;
};

// Names and their values, in scopes that see those around them.

// Names live in the template or with the caller and outlive the rendering.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> around) : parent(std::move(around)) {}

  // Null if no scope has it.
  const Value* Find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      const auto found = scope->variables.find(name);
      if (found != scope->variables.end()) return &found->second;
    }
    return nullptr;
  }

  const std::shared_ptr<Scope> parent;
  absl::flat_hash_map<std::string_view, Value> variables;
};

// What one rendering has used up so far, and the makers of values that count it. Everything that can grow goes through
// here, so that no template escapes the bounds above. Not thread-safe; one per rendering.

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
  // The same in the units above, for what is finer than a step.
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
  // Of a text that was made and counted already: it is counted once more, as a copy would be, and not copied.
  [[nodiscard]] absl::StatusOr<Value> String(std::string&& text);
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
