// One text's way through a Machine: its masks, and what it goes on with.
#include <algorithm>

#include "base/status.h"
#include "text/grammar/machine.h"

namespace batucada::grammar {

int32_t Machine::PlaceOf(const Cursor& cursor) {
  if (*cursor.place_ != kAtStart) return *cursor.place_;
  if (cursors_.size() == cursors_.capacity()) {
    std::erase_if(cursors_, [](const std::weak_ptr<int32_t>& one) { return one.expired(); });
    cursors_.reserve(2 * cursors_.size() + 16);
  }
  cursors_.push_back(cursor.place_);
  return *cursor.place_ = start_;
}

Machine::Cursor::Cursor(const Cursor& other) : machine_(other.machine_) {
  const std::lock_guard lock(machine_.mutex_);
  place_ = std::make_shared<int32_t>(*other.place_);
  if (*place_ != kAtStart) machine_.cursors_.push_back(place_);
}

absl::StatusOr<std::span<const uint32_t>> Machine::MaskOf(int32_t place, int64_t given, int64_t* steps) {
  budget_ = WorkBudget(given);
  const int32_t like = Like(place);
  absl::Status made = absl::OkStatus();
  if (places_[static_cast<size_t>(like)].mask < 0) made = MakeMask(like);
  *steps -= given - std::max<int64_t>(budget_.left(), 0);
  BATUCADA_RETURN_IF_ERROR(made);
  return std::span<const uint32_t>(masks_[static_cast<size_t>(places_[static_cast<size_t>(like)].mask)]);
}

absl::Status Machine::Cursor::Begin() {
  const std::lock_guard lock(machine_.mutex_);
  int64_t steps = kMaskSteps;
  return machine_.MaskOf(machine_.PlaceOf(*this), kMaskSteps, &steps).status();
}

absl::Status Machine::Cursor::Mask(std::span<uint32_t> words, int64_t* steps) {
  const std::lock_guard lock(machine_.mutex_);
  if (machine_.PlaceOf(*this) < 0) return absl::ResourceExhaustedError("the grammar cannot be followed any further");
  // Who has too few for a mask of all ways does not have the others follow fewer, too.
  const bool enough = *steps >= kMaskSteps;
  int64_t given = enough ? kMaskSteps : std::max(*steps, kFewSteps);
  size_t width = machine_.most_threads_;
  while (true) {
    machine_.width_ = width;
    const auto made = machine_.MaskOf(*place_, given, steps);
    machine_.width_ = machine_.most_threads_;
    if (made.ok()) {
      std::copy(made->begin(), made->end(), words.begin());
      break;
    }
    if (width == 1) {
      // What was found so far may come, all the same.
      const std::vector<uint32_t>& found = machine_.mask_;
      if (std::all_of(found.begin(), found.end(), [](uint32_t word) { return word == 0; })) return made.status();
      std::copy(found.begin(), found.end(), words.begin());
      break;
    }
    *steps -= machine_.Trim();  // it may have been memory
    given = enough ? kMaskSteps / 3 : kFewSteps;
    width = enough ? std::max<size_t>(1, width / kNarrowing) : 1;
    if (enough) machine_.most_threads_ = width;
    machine_.budget_ = WorkBudget(kMaskSteps);
    *place_ = machine_.Part(*place_, width);
  }
  *steps -= machine_.Trim();
  return absl::OkStatus();
}

bool Machine::Cursor::Accept(std::string_view bytes, int64_t* steps) {
  const std::lock_guard lock(machine_.mutex_);
  if (machine_.PlaceOf(*this) < 0) return false;
  machine_.width_ = *steps > 0 ? machine_.most_threads_ : std::min(machine_.most_threads_, kFewThreads);
  const auto follow = [&](auto how) {
    machine_.budget_ = WorkBudget(kMaskSteps);
    const int32_t found = how();
    *steps -= kMaskSteps - std::max<int64_t>(machine_.budget_.left(), 0);
    return machine_.budget_.spent() ? kNowhere : found;
  };
  int32_t place = follow([&] { return machine_.Follow(machine_.Part(*place_, machine_.width_), bytes); });
  if (place < 0) {
    // The ways that lead there were left out, or there was no room for all.
    *steps -= machine_.Trim();
    place = follow([&] { return machine_.FollowOneWay(*place_, bytes); });
  }
  machine_.width_ = machine_.most_threads_;
  if (place < 0) return false;
  *place_ = place;
  *steps -= machine_.Trim();
  return true;
}

bool Machine::Cursor::accepting() const {
  const std::lock_guard lock(machine_.mutex_);
  const int32_t place = machine_.PlaceOf(*this);
  return place >= 0 && machine_.places_[static_cast<size_t>(place)].accepting;
}

bool Machine::Cursor::dead_end() const {
  const std::lock_guard lock(machine_.mutex_);
  const int32_t place = machine_.PlaceOf(*this);
  return place < 0 || machine_.ThreadsOf(place).empty();
}

}  // namespace batucada::grammar
