#include "text/jinja/runtime.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace batucada::jinja {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr int64_t kWorkPerPiece = 8;  // of a text that is put together

}  // namespace

Runtime::~Runtime() {
  for (const std::shared_ptr<Namespace>& names : namespaces_) names->attributes.clear();
}

absl::Status Runtime::Step(int64_t count) { return Work(std::min(count, kMaxSteps + 1) * kWorkPerStep); }

absl::Status Runtime::Work(int64_t units) {
  Note(units);
  if (work_ <= kMaxWork) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the template takes more than ", kMaxSteps, " steps for this conversation"));
}

// Never overflows: past the limit it hardly grows.
void Runtime::Note(int64_t units) { work_ = std::min(work_, kMaxWork + 1) + std::min(units, kMaxWork + 1); }

absl::Status Runtime::StepOver(std::string_view text) { return Work(kWorkPerStep + static_cast<int64_t>(text.size())); }

absl::Status Runtime::StepThrough(std::string_view text) {
  return Work(kWorkPerStep + kWorkPerCharacterByte * static_cast<int64_t>(text.size()));
}

absl::Status Runtime::Allocate(size_t bytes) {
  if (bytes > kMaxAllocatedBytes || allocated_ + bytes > kMaxAllocatedBytes) {
    return absl::InvalidArgumentError(
        Concat("the template takes more than ", kMaxAllocatedBytes / kMiB, " MiB of memory for this conversation"));
  }
  allocated_ += bytes;
  return absl::OkStatus();
}

absl::Status Runtime::AllocateString(size_t bytes) {
  if (bytes > kMaxStringBytes) {
    return absl::InvalidArgumentError(
        Concat("the template makes a text of more than ", kMaxStringBytes / kMiB, " MiB from this conversation"));
  }
  BATUCADA_RETURN_IF_ERROR(Work(static_cast<int64_t>(bytes)));
  return Allocate(bytes);
}

absl::StatusOr<Value> Runtime::String(std::string_view text) {
  BATUCADA_RETURN_IF_ERROR(Step());
  BATUCADA_RETURN_IF_ERROR(AllocateString(text.size() + sizeof(std::string)));
  return Value::String(std::string(text));
}

absl::StatusOr<Value> Runtime::String(std::string&& text) {
  BATUCADA_RETURN_IF_ERROR(Step());
  BATUCADA_RETURN_IF_ERROR(AllocateString(text.size() + sizeof(std::string)));
  return Value::String(std::move(text));
}

absl::StatusOr<Value> Runtime::Markup(std::string_view text) {
  BATUCADA_RETURN_IF_ERROR(Step());
  BATUCADA_RETURN_IF_ERROR(AllocateString(text.size() + sizeof(std::string)));
  return Value::Markup(std::string(text));
}

absl::StatusOr<Value> Runtime::Sequence(SequenceKind kind, std::vector<Value> items) {
  BATUCADA_RETURN_IF_ERROR(Step(1 + static_cast<int64_t>(items.size() / 8)));
  BATUCADA_RETURN_IF_ERROR(Allocate(sizeof(jinja::Sequence) + items.size() * sizeof(Value)));
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  BATUCADA_RETURN_IF_ERROR(CheckDepth(depth + 1));
  return Value::Of(std::make_shared<const jinja::Sequence>(
      jinja::Sequence{.kind = kind, .items = std::move(items), .depth = depth + 1}));
}

absl::StatusOr<Value> Runtime::List(std::vector<Value> items) {
  return Sequence(SequenceKind::kList, std::move(items));
}

absl::StatusOr<Value> Runtime::Tuple(std::vector<Value> items) {
  return Sequence(SequenceKind::kTuple, std::move(items));
}

// The index of a large dict has keys of its own.
absl::Status Runtime::StepOverIndex(const Dict& dict) {
  if (!dict.is_indexed()) return absl::OkStatus();
  size_t bytes = 0;
  for (const auto& [key, value] : dict.entries()) bytes += 64 + (key.Is(Kind::kString) ? key.text().size() : 0);
  BATUCADA_RETURN_IF_ERROR(Work(static_cast<int64_t>(bytes)));
  return Allocate(bytes);
}

absl::StatusOr<Value> Runtime::OwnDict(Dict dict) {
  const size_t size = dict.entries().size();
  BATUCADA_RETURN_IF_ERROR(Step(1 + 2 * static_cast<int64_t>(size)));
  BATUCADA_RETURN_IF_ERROR(StepOverIndex(dict));
  BATUCADA_RETURN_IF_ERROR(Allocate(sizeof(Dict) + size * 2 * sizeof(Dict::Entry)));
  BATUCADA_RETURN_IF_ERROR(CheckDepth(dict.depth()));
  return Value::Of(std::make_shared<const Dict>(std::move(dict)));
}

absl::StatusOr<Value> Runtime::NewNamespace() {
  BATUCADA_RETURN_IF_ERROR(Allocate(256));
  namespaces_.push_back(std::make_shared<Namespace>());
  return Value::Of(namespaces_.back());
}

absl::Status Runtime::CheckDepth(int depth) {
  if (depth <= kMaxValueDepth) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("values nest deeper than ", kMaxValueDepth, " levels"));
}

absl::Status TextBuilder::Append(std::string_view text) {
  // Counted piece by piece, and the whole against the limit of one string.
  BATUCADA_RETURN_IF_ERROR(runtime_->Work(kWorkPerPiece));
  if (text_.size() + text.size() > kMaxStringBytes) return runtime_->AllocateString(text_.size() + text.size());
  BATUCADA_RETURN_IF_ERROR(runtime_->AllocateString(text.size()));
  text_ += text;
  return absl::OkStatus();
}

}  // namespace batucada::jinja
