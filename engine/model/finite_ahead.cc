#include "engine/model/finite_ahead.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/status.h"
#include "engine/model/finite.h"
#include "engine/model/mapped_file.h"

namespace batucada {
namespace {

constexpr int64_t kPieceBytes = int64_t{4} << 20;

}  // namespace

FiniteAhead::FiniteAhead(int threads) {
  for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { Work(); });
}

FiniteAhead::~FiniteAhead() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  more_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

size_t FiniteAhead::Add(const HostTensor& tensor) {
  const auto element = static_cast<int64_t>(SizeOf(tensor.dtype));
  const int64_t elements = tensor.rows * tensor.cols, most = kPieceBytes / element;
  size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = verdicts_.size();
    Verdict& verdict = verdicts_.emplace_back();
    for (int64_t first = 0; first < elements; first += most) {
      pieces_.push_back({.number = number,
                         .part = {.data = static_cast<const char*>(tensor.data) + first * element,
                                  .dtype = tensor.dtype,
                                  .rows = 1,
                                  .cols = std::min(most, elements - first)},
                         .first = first});
      ++verdict.pieces_left;
    }
  }
  more_.notify_all();
  return number;
}

std::optional<int64_t> FiniteAhead::FirstBad(size_t number) {
  std::unique_lock lock(mutex_);
  BATUCADA_CHECK(number < verdicts_.size(), "no such tensor");
  while (verdicts_[number].pieces_left > 0) {
    // Pieces are taken in order: once none up to this tensor's is left, others are at its last ones.
    if (!pieces_.empty() && pieces_.front().number <= number) {
      JudgeNext(&lock);
    } else {
      judged_.wait(lock);
    }
  }
  return verdicts_[number].bad;
}

void FiniteAhead::JudgeNext(std::unique_lock<std::mutex>* lock) {
  const Piece piece = pieces_.front();
  pieces_.pop_front();
  lock->unlock();
  const auto* data = static_cast<const std::byte*>(piece.part.data);
  MappedFile::Populate({data, static_cast<size_t>(piece.part.cols) * SizeOf(piece.part.dtype)});
  const std::optional<int64_t> bad = FindNotFinite(piece.part);
  lock->lock();
  Verdict& verdict = verdicts_[piece.number];
  if (bad && (!verdict.bad || piece.first + *bad < *verdict.bad)) verdict.bad = piece.first + *bad;
  if (--verdict.pieces_left == 0) judged_.notify_all();
}

void FiniteAhead::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    more_.wait(lock, [this] { return over_ || !pieces_.empty(); });
    if (over_) return;
    JudgeNext(&lock);
  }
}

}  // namespace batucada
