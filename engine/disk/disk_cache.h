// Checkpoints in a directory: segments of a bounded size in all, of which the oldest goes when there is no room for
// what comes. When less than a segment is free, whoever uses the cache is told what goes next, and what is to stay is
// appended to the newest, in turn with what is written. That takes room and never makes it: what does not get so far
// goes with its segment. One thread reads and writes; readers go first.
//
// What was written is there after the process was killed; after a loss of power, what was written before its segment
// was full (it is synced then, and at the end). Damaged and half-written records are as if they had never been.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/disk/segment.h"
#include "engine/prefix/checkpoint_disk.h"

namespace batucada {

struct DiskCacheConfig {
  std::string directory;  // of this model's checkpoints alone; made if it is not there
  int64_t most_bytes = 0;
  // The bytes of pages of Tier::kHost, in one order for states of one length. Thread-safe.
  std::function<std::vector<std::span<char>>(const StoredPages&)> bytes_of;
  // Told, on the disk's thread, of what an operator should know; at most once a minute of each kind.
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  absl::Duration most_at_end = absl::Seconds(10);  // that the destructor goes on writing what it was given
};

class DiskCache : public CheckpointDisk {
 public:
  // FAILED_PRECONDITION: another process uses the directory. Others: it cannot be used.
  static absl::StatusOr<std::unique_ptr<DiskCache>> Open(DiskCacheConfig config);
  ~DiskCache() override;

  std::vector<Found> TakeFound() override;
  Record Write(const std::string& scope, const std::string& names, std::vector<int32_t> ids,
               const StoredPages& pages) override;
  void Read(Record record, const StoredPages& pages) override;
  std::vector<Done> TakeDone() override;
  std::vector<Record> TakeGone() override;
  std::vector<Record> TakeLeaving() override;
  void Keep(std::vector<Kept> records) override;
  void WakeWith(std::function<void()> wake) override;
  CheckpointDiskStats stats() const override;

 private:
  struct Job {
    Record record = 0;
    std::string scope, names;
    std::vector<int32_t> ids;  // none: it is read
    StoredPages pages;
  };
  struct Place {
    uint64_t segment = 0;
    Segment::Record record;  // without scope and ids
  };

  DiskCache(DiskCacheConfig config, int lock) : config_(std::move(config)), lock_(lock) {}
  absl::Status FindSegments();
  std::string PathOf(uint64_t segment) const;
  void Run();
  absl::Status Do(const Job& job);
  absl::Status DoWrite(const Job& job);
  absl::Status DoRead(const Job& job);
  // The record stands in the newest segment, too, and is read there from now on; if there is room.
  absl::Status Move(const Kept& kept);
  // What goes next is to be told, if that is soon.
  void Announce();
  // A segment with room for so many bytes, after the oldest have made room for it.
  absl::Status Prepare(int64_t bytes);
  void SealNewest();
  bool DropOldest();
  void Warn(const absl::Status& status);

  const DiskCacheConfig config_;
  const int lock_;  // descriptor of the directory's lock

  // The disk's thread's; before it starts, Open's.
  std::deque<std::pair<uint64_t, std::unique_ptr<Segment>>> segments_;  // oldest first; the last may be appended to
  bool appending_ = false;                                              // the last was created by this process
  uint64_t next_segment_ = 1;
  uint64_t announced_ = 0;  // the newest segment whose records were told
  absl::Time last_warning_ = absl::InfinitePast();

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable work_;
  std::deque<Job> reads_, writes_;
  absl::flat_hash_map<Record, Place> places_;
  Record next_record_ = 1;
  std::vector<Found> found_;
  std::vector<Done> done_;
  std::vector<Record> gone_, leaving_;
  std::deque<Kept> moves_;
  CheckpointDiskStats stats_;
  bool ending_ = false;
  absl::Time end_by_ = absl::InfiniteFuture();

  std::mutex wake_mutex_;  // held while `wake_` is called
  std::function<void()> wake_;
  std::thread thread_;  // last: everything above is there when it starts
};

}  // namespace batucada
