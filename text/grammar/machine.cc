#include "text/grammar/machine.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"

namespace batucada::grammar {

Machine::Machine(Network network, const Vocabulary& vocabulary, std::shared_ptr<MachineMemory> memory, size_t max_bytes)
    : network_(std::move(network)), vocabulary_(vocabulary), memory_(std::move(memory)), max_bytes_(max_bytes),
      trim_at_(max_bytes) {
  memory_->held.fetch_add(static_cast<int64_t>(network_.bytes()), std::memory_order_relaxed);
  Forget();
  Note();
}

Machine::~Machine() { memory_->held.fetch_sub(static_cast<int64_t>(bytes()), std::memory_order_relaxed); }

void Machine::Note() {
  const size_t held = Held(), before = noted_.exchange(held, std::memory_order_relaxed);
  memory_->held.fetch_add(static_cast<int64_t>(held) - static_cast<int64_t>(before), std::memory_order_relaxed);
}

size_t Machine::Held() const {
  return frames_.size() * (2 * sizeof(Frame) + 16) + places_.size() * (sizeof(Place) + 48) +
         threads_.size() * sizeof(Thread) + steps_.size() * sizeof(int32_t) + loops_.size() * sizeof(Loop) +
         masks_.size() * vocabulary_.words() * sizeof(uint32_t);
}

int32_t Machine::FrameId(const Frame& of) {
  Frame frame = of;
  frame.depth = frames_[static_cast<size_t>(of.below)].depth + 1;
  if (frame.depth > kMostDepth) return kTooDeep;
  const auto [found, fresh] = frame_ids_.try_emplace(frame, static_cast<int32_t>(frames_.size()));
  if (fresh) {
    frames_.push_back(frame);
    normal_frames_.push_back(-1);
  }
  return found->second;
}

int32_t Machine::PlaceId(std::span<const Thread> threads, bool accepting) {
  if (threads.empty() && !accepting) return kNowhere;
  uint64_t hash = accepting ? 1 : 0;
  for (const Thread& thread : threads) {
    hash = absl::HashOf(hash, thread.state, thread.frame);
  }
  const auto id = static_cast<int32_t>(places_.size());
  const auto [found, fresh] = place_ids_.try_emplace(hash, id);
  for (int32_t at = fresh ? -1 : found->second; at >= 0; at = places_[static_cast<size_t>(at)].same_hash) {
    const std::span<const Thread> theirs = ThreadsOf(at);
    if (places_[static_cast<size_t>(at)].accepting == accepting &&
        std::equal(theirs.begin(), theirs.end(), threads.begin(), threads.end())) {
      return at;
    }
  }
  // What texts stand at may not grow for ever either.
  if (Held() > 2 * most()) budget_.Spend(budget_.left() + 1);
  const auto begin = static_cast<uint32_t>(threads_.size());
  threads_.insert(threads_.end(), threads.begin(), threads.end());
  places_.push_back({.begin = begin,
                     .end = static_cast<uint32_t>(threads_.size()),
                     .accepting = accepting,
                     .same_hash = fresh ? -1 : found->second});
  found->second = id;
  // Bytes that none of its states reads lead nowhere; a class of bytes is those beside each other.
  const size_t row = steps_.size();
  steps_.resize(row + static_cast<size_t>(network_.classes()), kNowhere);
  for (const Thread& thread : threads) {
    const State& state = network_[thread.state];
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      std::fill(steps_.begin() + static_cast<std::ptrdiff_t>(row + network_.byte_class()[edge.first]),
                steps_.begin() + static_cast<std::ptrdiff_t>(row + network_.byte_class()[edge.last] + 1), kUnknown);
    }
  }
  return id;
}

int32_t Machine::Close() {
  closed_.clear();
  seen_.Clear();
  bool accepting = false;
  const auto go = [&](StateId state, int32_t frame) {
    if (frame == kTooDeep) return;
    const uint64_t key = static_cast<uint64_t>(state) << 32 | static_cast<uint32_t>(frame);
    if (seen_.Insert(key)) open_.push_back({state, frame});
  };
  // What is open is seen, and there once.
  const size_t given = open_.size();
  for (size_t i = 0; i < given; ++i) go(open_[i].state, open_[i].frame);
  open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(given));
  while (!open_.empty()) {
    const auto [id, frame] = open_.back();
    open_.pop_back();
    if (!whole_ && closed_.size() >= most_threads_) {  // some ways are left out
      wide_ = true;
      break;
    }
    if (!budget_.Spend()) return kNowhere;
    const State& state = network_[id];
    switch (state.kind) {
      case State::Kind::kBytes: closed_.push_back({id, frame}); break;
      case State::Kind::kSplit:
        for (uint32_t t = state.begin; t < state.end; ++t) go(network_.targets()[t], frame);
        break;
      case State::Kind::kCall:
        go(state.first, state.leaves_no_frame ? frame : FrameId({.next = state.second, .below = frame}));
        break;
      case State::Kind::kCount:
        if (state.min == 0) go(state.second, frame);
        go(state.first, FrameId({.next = state.second, .count = id, .done = 0, .below = frame}));
        break;
      case State::Kind::kFinal: {
        if (frame == kBottom) {
          accepting = true;
          break;
        }
        Frame f = frames_[static_cast<size_t>(frame)];
        if (f.count < 0) {
          go(f.next, f.below);
          break;
        }
        const State& count = network_[f.count];
        ++f.done;
        if (count.max == kUnbounded) f.done = std::min(f.done, count.min);  // more makes no difference
        if (f.done >= count.min) go(f.next, f.below);
        if (count.max == kUnbounded || f.done < count.max) go(count.first, FrameId(f));
        break;
      }
    }
  }
  std::sort(closed_.begin(), closed_.end());
  return PlaceId(closed_, accepting);
}

int32_t Machine::Compute(int32_t place, uint8_t byte) {
  open_.clear();
  for (const Thread& thread : ThreadsOf(place)) {
    const State& state = network_[thread.state];
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      if (edge.first <= byte && byte <= edge.last) open_.push_back({edge.to, thread.frame});
    }
    budget_.Spend(1 + (state.end - state.begin) / 8);
  }
  if (open_.empty()) return kNowhere;
  return Close();
}

int32_t Machine::Step(int32_t place, uint8_t byte) {
  const size_t at = static_cast<size_t>(place) * static_cast<size_t>(network_.classes()) + network_.byte_class()[byte];
  if (steps_[at] == kUnknown) {
    const int32_t next = Compute(place, byte);
    if (budget_.spent()) return kNowhere;  // nothing is known
    steps_[at] = next;
  }
  return steps_[at];
}

// The frame with counts, its own and those below, that no token tells from these: see Like.
int32_t Machine::NormalFrame(int32_t id) {
  // Down to what is known, and up again.
  std::vector<int32_t>& path = path_;
  path.clear();
  int32_t normal = kBottom;
  for (int32_t at = id; at != kBottom; at = frames_[static_cast<size_t>(at)].below) {
    if (normal_frames_[static_cast<size_t>(at)] >= 0) {
      normal = normal_frames_[static_cast<size_t>(at)];
      break;
    }
    path.push_back(at);
  }
  const int32_t most = vocabulary_.longest();  // bodies that one token can read: each has a byte
  for (; !path.empty(); path.pop_back()) {
    Frame frame = frames_[static_cast<size_t>(path.back())];
    frame.below = normal;
    if (frame.count >= 0) {
      const State& count = network_[frame.count];
      if (frame.done + most < count.min) {
        frame.done = 0;
      } else if (frame.done >= count.min && count.max != kUnbounded && frame.done + most < count.max) {
        frame.done = count.min;
      }
    }
    normal = FrameId(frame);
    normal_frames_[static_cast<size_t>(path.back())] = normal;
  }
  return normal;
}

// The place that stands for all whose masks are the same because they differ in counts alone that are far from a bound.
int32_t Machine::Like(int32_t place) {
  if (places_[static_cast<size_t>(place)].like >= 0) return places_[static_cast<size_t>(place)].like;
  const std::span<const Thread> threads = ThreadsOf(place);
  closed_.assign(threads.begin(), threads.end());
  for (Thread& thread : closed_) thread.frame = NormalFrame(thread.frame);
  std::sort(closed_.begin(), closed_.end());
  closed_.erase(std::unique(closed_.begin(), closed_.end()), closed_.end());
  const int32_t like = PlaceId(closed_, places_[static_cast<size_t>(place)].accepting);
  places_[static_cast<size_t>(place)].like = like;
  return like;
}

int32_t Machine::Follow(int32_t place, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size() && place >= 0; ++i) {
    budget_ = WorkBudget(kMaskSteps);  // a byte takes a small part of it, wherever the text is
    const auto byte = static_cast<uint8_t>(bytes[i]);
    place = whole_ ? Compute(place, byte) : Step(place, byte);
  }
  return place;
}

int32_t Machine::Narrow(int32_t place) {
  most_threads_ = std::max<size_t>(1, most_threads_ / kNarrowing);
  wide_ = true;
  return Part(place);
}

int32_t Machine::Part(int32_t place) {
  const std::span<const Thread> threads = ThreadsOf(place);
  closed_.assign(threads.begin(),
                 threads.begin() + static_cast<std::ptrdiff_t>(std::min(most_threads_, threads.size())));
  budget_ = WorkBudget(kMaskSteps);
  return PlaceId(closed_, places_[static_cast<size_t>(place)].accepting);
}

void Machine::Forget() {
  // With the memory, which clear() would keep.
  frames_ = {Frame{}};
  normal_frames_ = {kBottom};
  frame_ids_ = {};
  places_ = {};
  place_ids_ = {};
  threads_ = {};
  steps_ = {};
  loops_ = {};
  masks_ = {};
  budget_ = WorkBudget(kMaskSteps);
  open_ = {{network_.start(), kBottom}};
  start_ = Close();
}

void Machine::Trim() {
  if (Held() <= (memory_->scarce() ? std::min(trim_at_, 2 * most()) : trim_at_)) return Note();
  const std::vector<Frame> frames = std::move(frames_);
  struct Kept {
    std::shared_ptr<int32_t> cursor;
    std::vector<Thread> threads;
    bool accepting = false;
  };
  std::vector<Kept> kept;
  for (const std::weak_ptr<int32_t>& cursor : cursors_) {
    std::shared_ptr<int32_t> place = cursor.lock();
    if (place == nullptr) continue;
    Kept& one = kept.emplace_back(Kept{.cursor = std::move(place)});
    if (*one.cursor < 0) continue;
    const std::span<const Thread> threads = ThreadsOf(*one.cursor);
    one.threads.assign(threads.begin(), threads.end());
    one.accepting = places_[static_cast<size_t>(*one.cursor)].accepting;
  }
  Forget();
  cursors_.clear();
  std::vector<int32_t> new_ids(frames.size(), -1);
  new_ids[kBottom] = kBottom;
  for (auto& [cursor, threads, accepting] : kept) {
    cursors_.push_back(cursor);
    if (*cursor < 0) continue;
    for (Thread& thread : threads) {
      std::vector<int32_t> path;
      for (int32_t at = thread.frame; new_ids[static_cast<size_t>(at)] < 0;
           at = frames[static_cast<size_t>(at)].below) {
        path.push_back(at);
      }
      for (; !path.empty(); path.pop_back()) {
        Frame frame = frames[static_cast<size_t>(path.back())];
        frame.below = new_ids[static_cast<size_t>(frame.below)];
        new_ids[static_cast<size_t>(path.back())] = FrameId(frame);
      }
      thread.frame = new_ids[static_cast<size_t>(thread.frame)];
    }
    std::sort(threads.begin(), threads.end());
    *cursor = PlaceId(threads, accepting);
  }
  // Where little was to be forgotten, much must come before it is tried again.
  trim_at_ = std::max(max_bytes_, 2 * Held());
  Note();
}

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

absl::Status Machine::Cursor::Mask(std::span<uint32_t> words, int64_t* steps) {
  const std::lock_guard lock(machine_.mutex_);
  const int32_t place = machine_.PlaceOf(*this);
  if (place < 0) return absl::ResourceExhaustedError("the grammar cannot be followed any further");
  const bool may_narrow = *steps >= kMaskSteps;
  absl::Status made = absl::OkStatus();
  int32_t like = 0;
  while (true) {
    const int64_t most = may_narrow ? kMaskSteps : *steps;
    machine_.budget_ = WorkBudget(most);
    like = machine_.Like(*place_);
    if (machine_.places_[static_cast<size_t>(like)].mask < 0) made = machine_.MakeMask(like);
    *steps -= most - std::max<int64_t>(machine_.budget_.left(), 0);
    if (made.ok()) break;
    if (!may_narrow || machine_.most_threads_ == 1) return made;
    *place_ = machine_.Narrow(*place_);
  }
  const auto& mask = machine_.masks_[static_cast<size_t>(machine_.places_[static_cast<size_t>(like)].mask)];
  std::copy(mask.begin(), mask.end(), words.begin());
  machine_.Trim();
  return absl::OkStatus();
}

bool Machine::Cursor::Accept(std::string_view bytes) {
  const std::lock_guard lock(machine_.mutex_);
  const int32_t from = machine_.PlaceOf(*this);
  int32_t place = machine_.wide_ ? -1 : machine_.Follow(from, bytes);
  if (machine_.wide_) {
    // Which ways a mask has followed is not known: all of this text are, and a part of them from here on.
    machine_.whole_ = true;
    place = machine_.Follow(from, bytes);
    machine_.whole_ = false;
    if (place >= 0) place = machine_.Part(place);
  }
  if (place < 0) return false;
  *place_ = place;
  machine_.Trim();
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
