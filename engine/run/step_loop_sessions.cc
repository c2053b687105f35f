// Sessions and their states, beside the loop: under its mutex, but for the copying of bytes.
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "engine/run/step_loop.h"

namespace batucada {
namespace {

constexpr std::chrono::milliseconds kLookAgain{5};
constexpr int kMostLooks = 200;

StateTier TierOf(const StateCheckpoint& c) {
  if (c.state == StateCheckpoint::State::kReady && c.device.stored()) return StateTier::kDevice;
  if (c.host.stored() && !c.moving) return StateTier::kHost;
  return c.record != 0 ? StateTier::kDisk : StateTier::kNone;
}

absl::Status NoCache() {
  return absl::FailedPreconditionError("nothing is kept of texts here: start the server with --prefix-cache on");
}

absl::Status NoSession() { return absl::NotFoundError("there is no such session, or nothing of it is kept any more"); }

}  // namespace

void StepLoop::AwaitSessionEnd(std::unique_lock<Mutex>& lock, uint64_t owner, std::string_view name) {
  for (int look = 0; look < kMostLooks && scheduler_.SessionEnds(owner, name); ++look) {
    idle_.wait_for(lock, kLookAgain);
  }
}

std::vector<SessionInfo> StepLoop::Sessions(uint64_t owner) const {
  std::vector<SessionInfo> told;
  const std::lock_guard lock(mutex_);
  if (scheduler_.prefix() == nullptr) return told;
  const absl::Time now = clock_->Now();
  for (const SessionTable::Session* session : scheduler_.prefix()->sessions().Of(owner)) {
    told.push_back({.name = session->name,
                    .tokens = session->tip->position(),
                    .tier = TierOf(*session->tip),
                    .idle = now - session->used});
  }
  return told;
}

absl::StatusOr<SessionInfo> StepLoop::FindSession(uint64_t owner, std::string_view name) {
  std::unique_lock<Mutex> lock(mutex_);
  if (scheduler_.prefix() == nullptr) return NoCache();
  AwaitSessionEnd(lock, owner, name);
  const SessionTable::Session* const session = scheduler_.prefix()->sessions().Find(owner, name);
  if (session == nullptr) return NoSession();
  return SessionInfo{.name = session->name,
                     .tokens = session->tip->position(),
                     .tier = TierOf(*session->tip),
                     .idle = clock_->Now() - session->used};
}

absl::Status StepLoop::EraseSession(uint64_t owner, std::string_view name) {
  std::unique_lock<Mutex> lock(mutex_);
  if (scheduler_.prefix() == nullptr) return NoCache();
  AwaitSessionEnd(lock, owner, name);
  return scheduler_.prefix()->EraseSession(owner, name) ? absl::OkStatus() : NoSession();
}

absl::Status StepLoop::CopySession(uint64_t owner, std::string_view from, std::string_view to) {
  std::unique_lock lock(mutex_);
  PrefixCache* const cache = scheduler_.prefix();
  if (cache == nullptr) return NoCache();
  AwaitSessionEnd(lock, owner, from);
  const SessionTable::Session* const session = cache->sessions().Find(owner, from);
  if (session == nullptr) return NoSession();
  StateCheckpoint* const tip = session->tip;
  cache->sessions().Point(owner, to, tip, clock_->Now());
  cache->SaveSession(tip);
  changed_ = true;
  work_.notify_one();
  return absl::OkStatus();
}

absl::StatusOr<SavedState> StepLoop::ExportSession(uint64_t owner, std::string_view name, absl::Time deadline,
                                                   const std::function<absl::Status(int64_t)>& charge) {
  SavedState state;
  StateCheckpoint* tip = nullptr;
  std::vector<std::span<char>> parts;
  {
    std::unique_lock lock(mutex_);
    PrefixCache* const cache = scheduler_.prefix();
    if (cache == nullptr) return NoCache();
    if (!cache->has_host()) {
      return absl::FailedPreconditionError(
          "a state is taken from the host's memory, and there is none for it: start the server with --host-cache");
    }
    AwaitSessionEnd(lock, owner, name);
    while (true) {
      BATUCADA_RETURN_IF_ERROR(Works());
      const SessionTable::Session* const session = cache->sessions().Find(owner, name);
      if (session == nullptr) return NoSession();
      tip = session->tip;
      if (cache->BringToHost(tip)) break;
      if (clock_->Now() >= deadline) {
        return absl::UnavailableError("the session's state did not get to the host's memory in time: try again");
      }
      changed_ = true;
      work_.notify_one();
      idle_.wait_for(lock, kLookAgain);
    }
    state.ids = cache->TextOf(tip);
    state.salt = cache->ScopeOf(tip);
    parts = HostBytesOf(tip->host);
    cache->Pin(tip);
  }
  int64_t bytes = 0;
  for (const std::span<char> part : parts) bytes += static_cast<int64_t>(part.size());
  const absl::Status charged = charge(bytes);
  if (charged.ok()) {
    state.bytes.reserve(static_cast<size_t>(bytes));
    for (const std::span<char> part : parts) state.bytes.append(part.data(), part.size());
  }
  const std::lock_guard lock(mutex_);
  scheduler_.prefix()->Unpin(tip);
  BATUCADA_RETURN_IF_ERROR(charged);
  return state;
}

absl::Status StepLoop::ImportSession(uint64_t owner, std::string_view name, const std::string& scope,
                                     std::span<const int32_t> ids, std::string_view bytes) {
  StateCheckpoint* received = nullptr;
  std::vector<std::span<char>> parts;
  {
    const std::lock_guard lock(mutex_);
    PrefixCache* const cache = scheduler_.prefix();
    if (cache == nullptr) return NoCache();
    if (!cache->has_host()) {
      return absl::FailedPreconditionError(
          "a state comes to the host's memory, and there is none for it: start the server with --host-cache");
    }
    BATUCADA_RETURN_IF_ERROR(Works());
    if (draining_) return absl::UnavailableError("the server is shutting down");
    StateCheckpoint* there = nullptr;
    received = cache->Receive(scope, ids, &there);
    if (there != nullptr) {
      cache->sessions().Point(owner, name, there, clock_->Now());
      return absl::OkStatus();
    }
    if (received == nullptr) {
      return absl::ResourceExhaustedError("the host's memory has no room for the state: raise --host-cache");
    }
    parts = HostBytesOf(received->host);
    size_t size = 0;
    for (const std::span<char> part : parts) size += part.size();
    if (size != bytes.size()) {
      scheduler_.Received(received, /*filled=*/false);
      return absl::InvalidArgumentError(
          absl::StrCat("the state has ", bytes.size(), " bytes where this server's have ", size));
    }
  }
  for (const std::span<char> part : parts) {
    std::memcpy(part.data(), bytes.data(), part.size());
    bytes.remove_prefix(part.size());
  }
  const std::lock_guard lock(mutex_);
  scheduler_.Received(received, /*filled=*/true);
  scheduler_.prefix()->sessions().Point(owner, name, received, clock_->Now());
  changed_ = true;
  work_.notify_one();
  return absl::OkStatus();
}

std::vector<std::span<char>> StepLoop::HostBytesOf(const StoredPages& pages) const {
  std::vector<std::span<char>> parts;
  backend_->HostBytes(kSlots, pages.slot, &parts);
  for (size_t group = 0; group < pages.blocks.size(); ++group) {
    for (const PageId block : pages.blocks[group]) backend_->HostBytes(static_cast<int32_t>(group), block, &parts);
  }
  return parts;
}

}  // namespace batucada
