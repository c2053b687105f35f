// One account of the memory that requests make the process hold. Whoever is about to hold something for a client
// charges it first; what does not fit is refused with a sentence that says which part was too large.
//
// Charges are computed from what a request asks for (docs/operations.md has the sums), so they come before the bytes.
// An eighth of the budget is kept for small charges, so that one client with large ones does not shut out the others.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace batucada {

// What memory is held for. The names, in order, are kMemoryPartNames.
enum class MemoryPart : uint8_t {
  kBody,     // bytes of a request that are arriving, or have
  kParsing,  // what they become while they are read, rendered and tokenized
  kPrompt,   // token ids and texts of prompts
  kChoices,  // what each choice has: its place in the queue, its channel of tokens
  kScores,   // log-probabilities of prompts
  kAnswer,   // what was generated and has not been taken
};
inline constexpr std::array<std::string_view, 6> kMemoryPartNames = {"body",    "parsing", "prompt",
                                                                     "choices", "scores",  "answer"};

class MemoryAccount;

// Memory charged to an account, given back when this ends. Not thread-safe; may be given back on any thread.
class MemoryCharge {
 public:
  MemoryCharge() = default;  // of nothing, to no account
  ~MemoryCharge() { Release(); }
  MemoryCharge(MemoryCharge&& other) noexcept;
  MemoryCharge& operator=(MemoryCharge&& other) noexcept;

  // To so many bytes in all. On an error, which is that of MemoryAccount::Charge, it stays as it was; less never fails.
  [[nodiscard]] absl::Status Resize(int64_t bytes);
  int64_t bytes() const { return bytes_; }
  void Release();

 private:
  friend class MemoryAccount;
  MemoryCharge(MemoryAccount* account, MemoryPart part) : account_(account), part_(part) {}

  MemoryAccount* account_ = nullptr;
  MemoryPart part_ = MemoryPart::kBody;
  int64_t bytes_ = 0;
};

// Thread-safe; never waits. Outlives its charges.
class MemoryAccount {
 public:
  explicit MemoryAccount(int64_t budget) : budget_(budget) {}
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  // RESOURCE_EXHAUSTED with the code "memory_full" if there is no room now, or "request_too_large" if there never will
  // be: more than the whole budget.
  absl::StatusOr<MemoryCharge> Charge(MemoryPart part, int64_t bytes);

  int64_t budget() const { return budget_; }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  int64_t used(MemoryPart part) const { return by_part_[Index(part)].load(std::memory_order_relaxed); }
  uint64_t refused(MemoryPart part) const { return refused_[Index(part)].load(std::memory_order_relaxed); }

 private:
  friend class MemoryCharge;
  static size_t Index(MemoryPart part) { return static_cast<size_t>(part); }
  // `all`: of the charge that grows by `more`.
  absl::Status Add(MemoryPart part, int64_t more, int64_t all);
  void Subtract(MemoryPart part, int64_t bytes);

  const int64_t budget_;
  std::atomic<int64_t> used_{0};
  std::array<std::atomic<int64_t>, kMemoryPartNames.size()> by_part_{};
  std::array<std::atomic<uint64_t>, kMemoryPartNames.size()> refused_{};
};

}  // namespace batucada
