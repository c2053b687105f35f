#include "engine/disk/disk_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/memory_reserve.h"
#include "base/status.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

// States that wait to be written: each keeps its place in the host's memory meanwhile.
constexpr size_t kMostWrites = 16;
// So many segments hold all there may be: the oldest is a small part of it.
constexpr int64_t kSegments = 16;

}  // namespace

absl::StatusOr<std::unique_ptr<DiskCache>> DiskCache::Open(DiskCacheConfig config) {
  BATUCADA_CHECK(config.most_bytes > 0 && config.bytes_of != nullptr);
  std::error_code error;
  fs::create_directories(config.directory, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot make the directory ", config.directory, ": ",
                                                   error.message(), ": choose another with --disk-cache"));
  }
  const std::string path = config.directory + "/lock";
  const int lock = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot write to ", config.directory, ": ", std::strerror(errno),
                                                   ": choose another with --disk-cache"));
  }
  std::unique_ptr<DiskCache> cache(new DiskCache(std::move(config), lock));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("another process uses ", cache->config_.directory));
  }
  BATUCADA_RETURN_IF_ERROR(cache->FindSegments());
  cache->thread_ = std::thread([raw = cache.get()] { raw->Run(); });
  return cache;
}

DiskCache::~DiskCache() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      end_by_ = absl::Now() + config_.most_at_end;
    }
    work_.notify_all();
    thread_.join();
  }
  close(lock_);
}

std::string DiskCache::PathOf(uint64_t segment) const {
  return absl::StrFormat("%s/%012d.checkpoints", config_.directory, segment);
}

absl::Status DiskCache::FindSegments() {
  std::vector<uint64_t> numbers;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(config_.directory, error)) {
    uint64_t number = 0;
    if (entry.path().extension() == ".checkpoints" && absl::SimpleAtoi(entry.path().stem().string(), &number)) {
      numbers.push_back(number);
    }
  }
  if (error) return absl::InvalidArgumentError(absl::StrCat("cannot read ", config_.directory, ": ", error.message()));
  std::sort(numbers.begin(), numbers.end());
  for (const uint64_t number : numbers) {
    next_segment_ = number + 1;
    std::vector<Segment::Record> records;
    absl::StatusOr<std::unique_ptr<Segment>> segment = Segment::Open(PathOf(number), &records);
    if (!segment.ok()) {
      Warn(segment.status());
      continue;
    }
    stats_.bytes += (*segment)->bytes();
    for (Segment::Record& record : records) {
      found_.push_back({.record = next_record_,
                        .scope = std::exchange(record.scope, {}),
                        .ids = std::exchange(record.ids, {}),
                        .names = std::exchange(record.names, {})});
      places_.emplace(next_record_++, Place{.segment = number, .record = std::move(record)});
    }
    segments_.emplace_back(number, *std::move(segment));
  }
  while (stats_.bytes > config_.most_bytes && DropOldest()) {
  }
  std::erase_if(found_, [this](const Found& found) { return !places_.contains(found.record); });
  gone_.clear();  // nobody knows them yet
  stats_.stored = static_cast<int64_t>(places_.size());
  return absl::OkStatus();
}

std::vector<CheckpointDisk::Found> DiskCache::TakeFound() {
  const std::lock_guard lock(mutex_);
  return std::exchange(found_, {});
}

CheckpointDisk::Record DiskCache::Write(const std::string& scope, const std::string& names, std::vector<int32_t> ids,
                                        const StoredPages& pages) {
  const std::lock_guard lock(mutex_);
  if (writes_.size() >= kMostWrites) return 0;
  writes_.push_back({.record = next_record_, .scope = scope, .names = names, .ids = std::move(ids), .pages = pages});
  work_.notify_one();
  return next_record_++;
}

void DiskCache::Read(Record record, const StoredPages& pages) {
  const std::lock_guard lock(mutex_);
  reads_.push_back({.record = record, .pages = pages});
  work_.notify_one();
}

std::vector<CheckpointDisk::Done> DiskCache::TakeDone() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

std::vector<CheckpointDisk::Record> DiskCache::TakeGone() {
  const std::lock_guard lock(mutex_);
  return std::exchange(gone_, {});
}

std::vector<CheckpointDisk::Record> DiskCache::TakeLeaving() {
  const std::lock_guard lock(mutex_);
  return std::exchange(leaving_, {});
}

void DiskCache::Keep(std::vector<Kept> records) {
  const std::lock_guard lock(mutex_);
  std::move(records.begin(), records.end(), std::back_inserter(moves_));
  work_.notify_one();
}

void DiskCache::WakeWith(std::function<void()> wake) {
  const std::lock_guard lock(wake_mutex_);
  wake_ = std::move(wake);
}

CheckpointDiskStats DiskCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void DiskCache::Run() {
  UseMemoryReserve();
  for (bool moved = false;;) {
    std::optional<Job> job;
    std::optional<Kept> move;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return ending_ || !reads_.empty() || !writes_.empty() || !moves_.empty(); });
      if (ending_ && (writes_.empty() || absl::Now() > end_by_)) break;
      if (!ending_ && reads_.empty() && !moves_.empty() && (!moved || writes_.empty())) {
        move = std::move(moves_.front());
        moves_.pop_front();
      } else {
        std::deque<Job>& queue = reads_.empty() || ending_ ? writes_ : reads_;
        job = std::move(queue.front());
        queue.pop_front();
      }
    }
    moved = move.has_value();
    const absl::Status status = moved ? Move(*move) : Do(*job);
    if (!status.ok()) Warn(status);
    if (moved) continue;
    Announce();
    {
      const std::lock_guard lock(mutex_);
      if (!status.ok()) {
        ++stats_.errors;
        places_.erase(job->record);
      }
      stats_.stored = static_cast<int64_t>(places_.size());
      done_.push_back({.record = job->record, .ok = status.ok()});
    }
    const std::lock_guard lock(wake_mutex_);
    if (wake_) wake_();
  }
  SealNewest();
}

absl::Status DiskCache::Do(const Job& job) {
  try {
    return job.ids.empty() ? DoRead(job) : DoWrite(job);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  }
}

absl::Status DiskCache::DoRead(const Job& job) {
  Place place;
  {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(job.record);
    if (found == places_.end()) return absl::NotFoundError("a checkpoint made room for others before it was read");
    place = found->second;
  }
  const auto segment = std::find_if(segments_.begin(), segments_.end(),
                                    [&place](const auto& one) { return one.first == place.segment; });
  BATUCADA_CHECK(segment != segments_.end());
  return segment->second->Read(place.record, config_.bytes_of(job.pages));
}

absl::Status DiskCache::DoWrite(const Job& job) {
  const std::vector<std::span<char>> payload = config_.bytes_of(job.pages);
  BATUCADA_RETURN_IF_ERROR(Prepare(Segment::BytesOf(job.scope, job.names, job.ids.size(), payload)));
  absl::StatusOr<Segment::Record> record = segments_.back().second->Append(job.scope, job.names, job.ids, payload);
  // Others may fill the disk, too: what is oldest here makes room.
  while (absl::IsResourceExhausted(record.status()) && segments_.size() > 1 && DropOldest()) {
    record = segments_.back().second->Append(job.scope, job.names, job.ids, payload);
  }
  if (!record.ok()) return record.status();
  const std::lock_guard lock(mutex_);
  stats_.bytes += record->bytes;
  places_.emplace(job.record, Place{.segment = segments_.back().first, .record = *std::move(record)});
  return absl::OkStatus();
}

absl::Status DiskCache::Move(const Kept& kept) {
  Place place;
  int64_t bytes = 0;  // of all segments
  {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(kept.record);
    if (found == places_.end()) return absl::OkStatus();
    place = found->second;
    bytes = stats_.bytes;
  }
  const int64_t most = place.record.bytes + static_cast<int64_t>(kept.names.size());
  if (segments_.front().first != place.segment || bytes + most > config_.most_bytes) return absl::OkStatus();
  try {
    const Segment& from = *segments_.front().second;
    const std::optional<Segment::Record> text = from.RecordAt(place.record.offset);
    std::string payload(static_cast<size_t>(place.record.payload_bytes), 0);
    const std::span<char> parts[] = {payload};
    absl::Status status = text ? from.Read(place.record, parts) : absl::DataLossError("bytes of a record have changed");
    if (status.ok()) status = Prepare(most);
    BATUCADA_RETURN_IF_ERROR(status);
    BATUCADA_ASSIGN_OR_RETURN(Segment::Record record,
                              segments_.back().second->Append(text->scope, kept.names, text->ids, parts));
    const std::lock_guard lock(mutex_);
    stats_.bytes += record.bytes;
    ++stats_.moved;
    places_[kept.record] = {.segment = segments_.back().first, .record = std::move(record)};
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  }
  return absl::OkStatus();
}

void DiskCache::Announce() {
  if (segments_.size() < 2 || announced_ >= segments_.front().first) return;
  const std::lock_guard lock(mutex_);
  if (stats_.bytes + config_.most_bytes / kSegments < config_.most_bytes) return;
  announced_ = segments_.front().first;
  for (const auto& [record, place] : places_) {
    if (place.segment == announced_) leaving_.push_back(record);
  }
}

absl::Status DiskCache::Prepare(int64_t bytes) {
  if (bytes > config_.most_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a checkpoint has ", bytes, " bytes, more than --disk-cache-size lets all of them have"));
  }
  const int64_t most = std::max(config_.most_bytes / kSegments, bytes);
  if (appending_ && segments_.back().second->bytes() + bytes > most) SealNewest();
  const auto used = [this] {
    const std::lock_guard lock(mutex_);
    return stats_.bytes;
  };
  while (used() + bytes > config_.most_bytes && !segments_.empty()) {
    if (segments_.size() == 1) SealNewest();
    if (!DropOldest()) break;
  }
  if (appending_) return absl::OkStatus();
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<Segment> segment, Segment::Create(PathOf(next_segment_)));
  segments_.emplace_back(next_segment_++, std::move(segment));
  appending_ = true;
  return absl::OkStatus();
}

void DiskCache::SealNewest() {
  if (!std::exchange(appending_, false)) return;
  if (const absl::Status status = segments_.back().second->Sync(); !status.ok()) Warn(status);
}

bool DiskCache::DropOldest() {
  if (segments_.empty()) return false;
  const auto [number, segment] = std::move(segments_.front());
  segments_.pop_front();
  std::error_code error;
  fs::remove(segment->path(), error);
  if (error) Warn(absl::UnavailableError(absl::StrCat("cannot remove ", segment->path(), ": ", error.message())));
  const std::lock_guard lock(mutex_);
  stats_.bytes -= segment->bytes();
  absl::erase_if(places_, [&](const auto& one) {
    if (one.second.segment != number) return false;
    gone_.push_back(one.first);
    ++stats_.dropped;
    return true;
  });
  stats_.stored = static_cast<int64_t>(places_.size());
  return true;
}

void DiskCache::Warn(const absl::Status& status) {
  if (absl::IsNotFound(status) || absl::Now() < last_warning_ + absl::Minutes(1)) return;
  last_warning_ = absl::Now();
  config_.warn(absl::StrCat("checkpoints on the disk: ", status.message()));
}

}  // namespace batucada
