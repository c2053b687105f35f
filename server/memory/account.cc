#include "server/memory/account.h"

#include <utility>

#include <fmt/format.h>

#include "base/human_bytes.h"
#include "base/status.h"
#include "server/common/error.h"

namespace batucada {
namespace {

// Of the budget: what only small charges may take, and what counts as small.
constexpr int64_t kKeptPart = 8;
constexpr int64_t kSmallPart = 256;

std::string_view Describe(MemoryPart part) {
  switch (part) {
    case MemoryPart::kBody: return "the bytes of its body";
    case MemoryPart::kParsing: return "reading its body";
    case MemoryPart::kPrompt: return "its prompts";
    case MemoryPart::kChoices: return "its choices (prompts times n)";
    case MemoryPart::kScores: return "the log-probabilities of its prompts (tokens times alternatives)";
    case MemoryPart::kAnswer: return "its answer (tokens times choices, and their log-probabilities)";
  }
  return "it";
}

}  // namespace

MemoryCharge::MemoryCharge(MemoryCharge&& other) noexcept
    : account_(other.account_), part_(other.part_), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryCharge& MemoryCharge::operator=(MemoryCharge&& other) noexcept {
  if (this == &other) return *this;
  Release();
  account_ = other.account_;
  part_ = other.part_;
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void MemoryCharge::Release() {
  if (bytes_ > 0) account_->Subtract(part_, bytes_);
  bytes_ = 0;
}

absl::Status MemoryCharge::Resize(int64_t bytes) {
  if (account_ == nullptr || bytes == bytes_) return absl::OkStatus();
  if (bytes > bytes_) {
    BATUCADA_RETURN_IF_ERROR(account_->Add(part_, bytes - bytes_, bytes));
  } else {
    account_->Subtract(part_, bytes_ - bytes);
  }
  bytes_ = bytes;
  return absl::OkStatus();
}

absl::StatusOr<MemoryCharge> MemoryAccount::Charge(MemoryPart part, int64_t bytes) {
  MemoryCharge charge(this, part);
  BATUCADA_RETURN_IF_ERROR(charge.Resize(bytes));
  return charge;
}

absl::Status MemoryAccount::Add(MemoryPart part, int64_t more, int64_t all) {
  const int64_t limit = all <= budget_ / kSmallPart ? budget_ : budget_ - budget_ / kKeptPart;
  int64_t used = used_.load(std::memory_order_relaxed);
  while (more <= limit - used) {
    if (!used_.compare_exchange_weak(used, used + more, std::memory_order_relaxed)) continue;
    by_part_[Index(part)].fetch_add(more, std::memory_order_relaxed);
    return absl::OkStatus();
  }
  refused_[Index(part)].fetch_add(1, std::memory_order_relaxed);
  if (all > limit) {
    return WithParameter(absl::ResourceExhaustedError(
                             fmt::format("the request would take {} of memory for {}: at most {} is given to "
                                         "one (--request-memory is {}); ask for less",
                                         HumanBytes(all), Describe(part), HumanBytes(limit), HumanBytes(budget_))),
                         "", "request_too_large");
  }
  return WithParameter(absl::ResourceExhaustedError(
                           fmt::format("the request needs {} more memory for {}, and other requests hold {} of "
                                       "the {} there are (--request-memory): try again later",
                                       HumanBytes(more), Describe(part), HumanBytes(used), HumanBytes(budget_))),
                       "", "memory_full");
}

void MemoryAccount::Subtract(MemoryPart part, int64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  by_part_[Index(part)].fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace batucada
