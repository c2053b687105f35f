// A disk for the simulation of prefixes: records in memory, which outlive whoever uses them; reads and writes that take
// as long as chance wants and sometimes fail; records that go to make room, of which some may stay, as others. Bytes
// are copied when an operation ends, so that pages which were not left alone until then show.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/prefix/checkpoint_disk.h"
#include "engine/run/backend.h"

namespace batucada::sim {

// What is on the disk, whoever runs.
struct DiskContent {
  struct Entry {
    std::string scope, names;
    std::vector<int32_t> ids;
    std::vector<std::vector<char>> pages;
  };
  std::map<CheckpointDisk::Record, Entry> entries;
  CheckpointDisk::Record next = 1;
};

class SimulatedDisk : public CheckpointDisk {
 public:
  enum class Mistake : uint8_t { kNone, kReadsLate, kWritesLate, kOtherRecord, kMovesOther };

  SimulatedDisk(DiskContent& content, uint64_t seed, size_t most, Mistake mistake)
      : content_(content), random_(seed), most_(most), mistake_(mistake) {}
  void Use(Backend* backend) { backend_ = backend; }

  // Time passes: some of what is under way ends.
  void Tick() {
    for (auto& [pages, bytes] : std::exchange(late_reads_, {})) Fill(pages, bytes);
    for (auto& [record, pages] : std::exchange(late_writes_, {})) content_.entries[record].pages = BytesOf(pages);
    while (!jobs_.empty() && random_() % 3 != 0) End();
  }
  bool idle() const { return jobs_.empty() && done_.empty(); }

  std::vector<Found> TakeFound() override {
    std::vector<Found> found;
    for (const auto& [record, entry] : content_.entries) {
      found.push_back({.record = record, .scope = entry.scope, .ids = entry.ids, .names = entry.names});
    }
    return found;
  }
  Record Write(const std::string& scope, const std::string& names, std::vector<int32_t> ids,
               const StoredPages& pages) override {
    if (jobs_.size() >= 4) return 0;
    jobs_.push_back({.record = content_.next, .scope = scope, .names = names, .ids = std::move(ids), .pages = pages});
    return content_.next++;
  }
  void Read(Record record, const StoredPages& pages) override { jobs_.push_back({.record = record, .pages = pages}); }
  std::vector<Done> TakeDone() override { return std::exchange(done_, {}); }
  std::vector<Record> TakeGone() override { return std::exchange(gone_, {}); }
  std::vector<Record> TakeLeaving() override {
    std::vector<Record> leaving;
    if (content_.entries.size() + 4 < most_ || random_() % 4 != 0) return leaving;
    for (const auto& [record, entry] : content_.entries) {
      if (leaving.size() == most_ / 3) break;
      leaving.push_back(record);
    }
    return leaving;
  }
  void Keep(std::vector<Kept> records) override {
    for (const auto& [record, names] : records) {
      const auto entry = content_.entries.find(record);
      if (entry == content_.entries.end() || random_() % 4 == 0) continue;  // no room, or no time
      kept_.insert(record);
      entry->second.names = names;
      ++moved_;
      if (mistake_ == Mistake::kMovesOther) entry->second.pages = content_.entries.rbegin()->second.pages;
    }
  }
  void WakeWith(std::function<void()>) override {}
  CheckpointDiskStats stats() const override {
    return {.stored = static_cast<int64_t>(content_.entries.size()), .moved = moved_};
  }

 private:
  struct Job {
    Record record = 0;
    std::string scope, names;
    std::vector<int32_t> ids;  // none: it is read
    StoredPages pages;
  };
  using Bytes = std::vector<std::vector<char>>;

  std::vector<std::span<char>> SpansOf(const StoredPages& pages) {
    std::vector<std::span<char>> spans;
    backend_->HostBytes(kSlots, pages.slot, &spans);
    for (size_t group = 0; group < pages.blocks.size(); ++group) {
      for (const PageId block : pages.blocks[group]) backend_->HostBytes(static_cast<int32_t>(group), block, &spans);
    }
    return spans;
  }
  Bytes BytesOf(const StoredPages& pages) {
    Bytes bytes;
    for (const std::span<char> span : SpansOf(pages)) bytes.emplace_back(span.begin(), span.end());
    return bytes;
  }
  void Fill(const StoredPages& pages, const Bytes& bytes) {
    const std::vector<std::span<char>> spans = SpansOf(pages);
    for (size_t i = 0; i < std::min(spans.size(), bytes.size()); ++i) {
      std::memcpy(spans[i].data(), bytes[i].data(), std::min(spans[i].size(), bytes[i].size()));
    }
  }

  void End() {
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    if (random_() % 20 == 0) {
      content_.entries.erase(job.record);
      done_.push_back({.record = job.record, .ok = false});
      return;
    }
    bool ok = true;
    if (job.ids.empty()) {
      ok = EndRead(job);
    } else {
      while (content_.entries.size() >= most_) MakeRoom();
      DiskContent::Entry& entry = content_.entries[job.record];
      entry = {.scope = job.scope, .names = job.names, .ids = job.ids, .pages = BytesOf(job.pages)};
      if (mistake_ == Mistake::kWritesLate) late_writes_.emplace_back(job.record, job.pages);
    }
    done_.push_back({.record = job.record, .ok = ok});
  }

  // The oldest goes that was not kept.
  void MakeRoom() {
    auto oldest = std::find_if(content_.entries.begin(), content_.entries.end(),
                               [this](const auto& entry) { return !kept_.contains(entry.first); });
    if (oldest == content_.entries.end()) oldest = content_.entries.begin();
    kept_.clear();  // as if they were new
    gone_.push_back(oldest->first);
    content_.entries.erase(oldest);
  }

  bool EndRead(const Job& job) {
    auto entry = content_.entries.find(job.record);
    if (entry == content_.entries.end()) return false;
    if (mistake_ == Mistake::kOtherRecord) entry = content_.entries.begin();
    if (mistake_ == Mistake::kReadsLate) {
      late_reads_.emplace_back(job.pages, entry->second.pages);
    } else {
      Fill(job.pages, entry->second.pages);
    }
    return true;
  }

  DiskContent& content_;
  std::mt19937_64 random_;
  const size_t most_;
  const Mistake mistake_;
  Backend* backend_ = nullptr;
  std::deque<Job> jobs_;
  std::vector<Done> done_;
  std::vector<Record> gone_;
  std::set<Record> kept_;
  uint64_t moved_ = 0;
  std::vector<std::pair<StoredPages, Bytes>> late_reads_;
  std::vector<std::pair<Record, StoredPages>> late_writes_;
};

}  // namespace batucada::sim
