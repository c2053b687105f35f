#include "engine/disk/disk_cache.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/crc32.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

// Two pages for a state: one by slot, one by block.
constexpr size_t kSlotBytes = 40, kBlockBytes = 24;
// Of a cache whose segments, a sixteenth of it, hold several records.
constexpr int64_t kMoving = 10'000;

class DiskCacheTest : public testing::Test {
 protected:
  DiskCacheTest() {
    directory_ =
        absl::StrCat(testing::TempDir(), "/", testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
    fs::remove_all(directory_);
  }
  ~DiskCacheTest() override { fs::remove_all(directory_); }

  std::unique_ptr<DiskCache> Open(int64_t most_bytes = 1 << 20) {
    absl::StatusOr<std::unique_ptr<DiskCache>> cache = Try(most_bytes);
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }
  absl::StatusOr<std::unique_ptr<DiskCache>> Try(int64_t most_bytes = 1 << 20) {
    return DiskCache::Open({.directory = directory_,
                            .most_bytes = most_bytes,
                            .bytes_of = [this](const StoredPages& pages) { return BytesOf(pages); },
                            .warn = [this](const std::string& warning) { warnings_.push_back(warning); }});
  }

  std::vector<std::span<char>> BytesOf(const StoredPages& pages) {
    std::vector<std::span<char>> bytes;
    bytes.emplace_back(slots_[static_cast<size_t>(pages.slot)]);
    for (const PageId block : pages.blocks.at(0)) bytes.emplace_back(blocks_[static_cast<size_t>(block)]);
    return bytes;
  }
  static StoredPages Pages(PageId page) { return {.slot = page, .blocks = {{page}}}; }
  void Fill(PageId page, char seed) {
    const auto at = static_cast<size_t>(page);
    std::iota(slots_[at].begin(), slots_[at].end(), seed);
    std::iota(blocks_[at].begin(), blocks_[at].end(), static_cast<char>(seed + 100));
  }
  bool Holds(PageId page, char seed) {
    const auto slot = slots_[static_cast<size_t>(page)];
    const auto block = blocks_[static_cast<size_t>(page)];
    Fill(page, seed);
    return slot == slots_[static_cast<size_t>(page)] && block == blocks_[static_cast<size_t>(page)];
  }

  static std::vector<CheckpointDisk::Done> Await(DiskCache& cache, size_t count = 1) {
    std::vector<CheckpointDisk::Done> all;
    while (all.size() < count) {
      for (const CheckpointDisk::Done& done : cache.TakeDone()) all.push_back(done);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return all;
  }
  CheckpointDisk::Record Put(DiskCache& cache, char seed, std::vector<int32_t> ids = {1, 2, 3}) {
    Fill(0, seed);
    const CheckpointDisk::Record record = cache.Write("scope", "names", std::move(ids), Pages(0));
    EXPECT_NE(record, 0u);
    EXPECT_TRUE(Await(cache).front().ok);
    return record;
  }
  bool Get(DiskCache& cache, CheckpointDisk::Record record, PageId page = 1) {
    cache.Read(record, Pages(page));
    return Await(cache).front().ok;
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_)) {
      if (entry.path().extension() == ".checkpoints") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::string ReadAll(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void WriteAll(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string directory_;
  std::array<std::array<char, kSlotBytes>, 4> slots_{};
  std::array<std::array<char, kBlockBytes>, 4> blocks_{};
  std::vector<std::string> warnings_;
};

TEST_F(DiskCacheTest, WhatIsWrittenIsReadAlsoByTheNext) {
  {
    const std::unique_ptr<DiskCache> cache = Open();
    EXPECT_TRUE(cache->TakeFound().empty());
    const CheckpointDisk::Record record = Put(*cache, 5);
    Fill(1, 77);
    EXPECT_TRUE(Get(*cache, record));
    EXPECT_TRUE(Holds(1, 5));
    EXPECT_EQ(cache->stats().stored, 1);
  }
  const std::unique_ptr<DiskCache> next = Open();
  const std::vector<CheckpointDisk::Found> found = next->TakeFound();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].scope, "scope");
  EXPECT_EQ(found[0].names, "names");
  EXPECT_EQ(found[0].ids, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_TRUE(Get(*next, found[0].record, 2));
  EXPECT_TRUE(Holds(2, 5));
  EXPECT_TRUE(next->TakeFound().empty());
}

TEST_F(DiskCacheTest, ASecondProcessIsTurnedAway) {
  const std::unique_ptr<DiskCache> cache = Open();
  EXPECT_EQ(Try().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DiskCacheTest, ADirectoryThatCannotBeIsAnErrorThatSaysWhatToChange) {
  fs::create_directories(fs::path(directory_).parent_path());
  WriteAll(directory_, "a file");
  const absl::Status status = Try().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("--disk-cache"), std::string::npos);
}

TEST_F(DiskCacheTest, AFileCutAtAnyByteHoldsTheRecordsBeforeIt) {
  std::vector<size_t> ends;
  {
    const std::unique_ptr<DiskCache> cache = Open();
    for (char seed = 1; seed <= 3; ++seed) {
      Put(*cache, seed, {seed, 9});
      ends.push_back(static_cast<size_t>(cache->stats().bytes));
    }
  }
  const fs::path file = Files().at(0);
  const std::string whole = ReadAll(file);
  ASSERT_EQ(whole.size(), ends.back());
  for (size_t size = 0; size <= whole.size(); ++size) {
    WriteAll(file, whole.substr(0, size));
    const std::unique_ptr<DiskCache> cache = Open();
    const std::vector<CheckpointDisk::Found> found = cache->TakeFound();
    const auto expected =
        static_cast<size_t>(std::count_if(ends.begin(), ends.end(), [size](size_t end) { return end <= size; }));
    ASSERT_EQ(found.size(), expected) << "cut at " << size;
    for (const CheckpointDisk::Found& one : found) {
      ASSERT_TRUE(Get(*cache, one.record));
      ASSERT_TRUE(Holds(1, static_cast<char>(one.ids.at(0))));
    }
  }
}

TEST_F(DiskCacheTest, AChangedBitIsNeverTakenForAState) {
  { Put(*Open(), 5); }
  const fs::path file = Files().at(0);
  const std::string whole = ReadAll(file);
  for (size_t byte = 0; byte < whole.size(); ++byte) {
    std::string changed = whole;
    changed[byte] = static_cast<char>(changed[byte] ^ (1 << (byte % 8)));
    WriteAll(file, changed);
    const std::unique_ptr<DiskCache> cache = Open();
    for (const CheckpointDisk::Found& one : cache->TakeFound()) {
      ASSERT_EQ(one.scope, "scope") << "byte " << byte;
      ASSERT_EQ(one.ids, (std::vector<int32_t>{1, 2, 3})) << "byte " << byte;
      ASSERT_FALSE(Get(*cache, one.record)) << "byte " << byte;
      ASSERT_EQ(cache->stats().stored, 0);
    }
  }
}

// Checksums are right, and nobody writes names so long.
TEST_F(DiskCacheTest, NamesThatAreTooLongAreDamage) {
  { Put(*Open(), 5); }
  const fs::path file = Files().at(0);
  const std::string whole = ReadAll(file);
  constexpr size_t kMostNames = 1 << 16, kHead = 48, kSummed = 8;
  constexpr size_t kChecksum = 4, kTextChecksum = 8, kNamesBytes = 40;  // where they stand in the head
  const std::string scope = "scope", rest = whole.substr(kHead + scope.size() + std::strlen("names"));
  for (const size_t size : {kMostNames, kMostNames + 1}) {
    const std::string names(size, 'n'), named = scope + names;
    const uint32_t text = Crc32(rest.data(), 3 * sizeof(int32_t), Crc32(named.data(), named.size()));
    std::string head = whole.substr(0, kHead);
    std::memcpy(&head[kTextChecksum], &text, sizeof(text));
    std::memcpy(&head[kNamesBytes], &size, sizeof(size));
    const uint32_t sum = Crc32(&head[kSummed], kHead - kSummed);
    std::memcpy(&head[kChecksum], &sum, sizeof(sum));
    std::string bytes = head;
    bytes += named;
    bytes += rest;
    WriteAll(file, bytes);
    EXPECT_EQ(Open()->TakeFound().size(), size == kMostNames ? 1u : 0u);
    WriteAll(file, whole);
  }
}

TEST_F(DiskCacheTest, TheOldestMakesRoom) {
  std::map<CheckpointDisk::Record, char> written;
  const std::unique_ptr<DiskCache> cache = Open(4000);
  std::vector<CheckpointDisk::Record> gone;
  for (char seed = 1; seed <= 100; ++seed) {
    written[Put(*cache, seed)] = seed;
    EXPECT_LE(cache->stats().bytes, 4000);
    for (const CheckpointDisk::Record record : cache->TakeGone()) gone.push_back(record);
  }
  EXPECT_EQ(gone.size(), cache->stats().dropped);
  EXPECT_EQ(gone.size() + static_cast<size_t>(cache->stats().stored), written.size());
  EXPECT_GT(cache->stats().stored, 15);
  // Those that went are the oldest.
  for (size_t i = 0; i < gone.size(); ++i) EXPECT_EQ(written[gone[i]], static_cast<char>(i + 1));
  for (const auto& [record, seed] : written) {
    const bool there = std::find(gone.begin(), gone.end(), record) == gone.end();
    ASSERT_EQ(Get(*cache, record), there);
    if (there) {
      ASSERT_TRUE(Holds(1, seed));
    }
  }
}

TEST_F(DiskCacheTest, WhatIsWorthItsPlaceStays) {
  CheckpointDisk::Record first = 0;
  char seed = 1;
  {
    const std::unique_ptr<DiskCache> cache = Open(kMoving);
    first = Put(*cache, seed, {seed});
    std::vector<CheckpointDisk::Record> all = {first};
    uint64_t moved = 0;
    while (all.size() < 300) {
      all.push_back(Put(*cache, ++seed == 100 ? seed = 2 : seed, {seed}));
      const std::vector<CheckpointDisk::Record> leaving = cache->TakeLeaving();
      EXPECT_LE(cache->stats().bytes, kMoving);
      if (std::find(leaving.begin(), leaving.end(), first) == leaving.end()) continue;
      cache->Keep({{first, "other names"}});
      while (cache->stats().moved == moved) std::this_thread::yield();
      moved = cache->stats().moved;
      ASSERT_TRUE(Get(*cache, first));
      ASSERT_TRUE(Holds(1, 1));
    }
    EXPECT_GT(moved, 3u);
    const std::vector<CheckpointDisk::Record> gone = cache->TakeGone();
    EXPECT_EQ(std::count(gone.begin(), gone.end(), first), 0);
    EXPECT_EQ(gone.size() + static_cast<size_t>(cache->stats().stored), all.size());
  }
  const std::unique_ptr<DiskCache> next = Open(kMoving);
  const std::vector<CheckpointDisk::Found> found = next->TakeFound();
  const auto place = std::find_if(found.begin(), found.end(), [](const auto& one) { return one.ids.at(0) == 1; });
  ASSERT_NE(place, found.end());
  EXPECT_EQ(place->scope, "scope");
  EXPECT_EQ(place->names, "other names");
  EXPECT_TRUE(Get(*next, place->record));
  EXPECT_TRUE(Holds(1, 1));
}

// However much is to stay: it takes room and makes none.
TEST_F(DiskCacheTest, WhatIsKeptNeverStopsWhatComes) {
  const std::unique_ptr<DiskCache> cache = Open(kMoving);
  for (int i = 0; i < 300; ++i) {
    const CheckpointDisk::Record record = Put(*cache, static_cast<char>(i % 100));
    std::vector<CheckpointDisk::Kept> all;
    for (const CheckpointDisk::Record leaving : cache->TakeLeaving()) all.push_back({leaving, "names"});
    cache->Keep(all);
    EXPECT_LE(cache->stats().bytes, kMoving);
    ASSERT_TRUE(Get(*cache, record));
  }
  EXPECT_GT(cache->stats().moved, 0u);
  EXPECT_GT(cache->stats().dropped, 100u);
}

TEST_F(DiskCacheTest, AFileCutAtAnyByteWhileSomethingWasMovedLosesNothingOfTheOther) {
  CheckpointDisk::Record kept = 0;
  {
    const std::unique_ptr<DiskCache> cache = Open(kMoving);
    for (char seed = 1; kept == 0; ++seed) {
      Put(*cache, seed, {seed});
      if (const auto leaving = cache->TakeLeaving(); !leaving.empty()) kept = leaving.front();
    }
    cache->Keep({{kept, ""}});
    while (cache->stats().moved == 0) std::this_thread::yield();
  }
  const fs::path file = Files().back();
  const std::string whole = ReadAll(file);
  for (size_t size = 0; size <= whole.size(); ++size) {
    WriteAll(file, whole.substr(0, size));
    const std::unique_ptr<DiskCache> cache = Open(kMoving);
    bool there = false;
    for (const CheckpointDisk::Found& one : cache->TakeFound()) {
      if (one.ids.at(0) != static_cast<int32_t>(kept)) continue;
      there = true;
      ASSERT_TRUE(Get(*cache, one.record)) << "cut at " << size;
      ASSERT_TRUE(Holds(1, static_cast<char>(kept))) << "cut at " << size;
    }
    ASSERT_TRUE(there) << "cut at " << size;
  }
}

TEST_F(DiskCacheTest, WhatWasChangedIsNotMoved) {
  const std::unique_ptr<DiskCache> cache = Open(kMoving);
  std::vector<CheckpointDisk::Record> leaving;
  for (char seed = 1; leaving.empty(); ++seed) {
    Put(*cache, seed, {seed});
    leaving = cache->TakeLeaving();
  }
  const CheckpointDisk::Record last = leaving.size();
  ASSERT_GT(last, 2u);
  std::string bytes = ReadAll(Files().front());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // of the last one's payload
  std::fstream(Files().front(), std::ios::binary | std::ios::in | std::ios::out) << bytes;
  cache->Keep({{last, ""}, {1, ""}});
  while (cache->stats().moved == 0) std::this_thread::yield();
  EXPECT_EQ(cache->stats().moved, 1u);
  EXPECT_TRUE(Get(*cache, 1));
  EXPECT_TRUE(Holds(1, 1));
  EXPECT_FALSE(Get(*cache, last));
}

TEST_F(DiskCacheTest, LessSpaceThanBeforeLeavesTheNewest) {
  {
    const std::unique_ptr<DiskCache> cache = Open(4000);
    for (char seed = 1; seed <= 20; ++seed) Put(*cache, seed, {seed});
  }
  const std::unique_ptr<DiskCache> cache = Open(1000);
  EXPECT_LE(cache->stats().bytes, 1000);
  const std::vector<CheckpointDisk::Found> found = cache->TakeFound();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.back().ids, (std::vector<int32_t>{20}));
  EXPECT_TRUE(cache->TakeGone().empty());
}

TEST_F(DiskCacheTest, AStateLargerThanAllIsRefused) {
  const std::unique_ptr<DiskCache> cache = Open(100);
  EXPECT_NE(cache->Write("scope", "", {1}, Pages(0)), 0u);
  EXPECT_FALSE(Await(*cache).front().ok);
  EXPECT_EQ(cache->stats().errors, 1u);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("--disk-cache-size"), std::string::npos);
}

TEST_F(DiskCacheTest, ManyFailuresAreOneWarning) {
  const std::unique_ptr<DiskCache> cache = Open(100);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(cache->Write("scope", "", {1}, Pages(0)), 0u);
    EXPECT_FALSE(Await(*cache).front().ok);
  }
  EXPECT_EQ(cache->stats().errors, 3u);
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(DiskCacheTest, AFullDiskCostsARecordAndNothingElse) {
  const auto old_action = signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  {
    const std::unique_ptr<DiskCache> cache = Open();
    const CheckpointDisk::Record first = Put(*cache, 1);
    const auto size = static_cast<rlim_t>(cache->stats().bytes);
    const rlimit limit{.rlim_cur = size + 60, .rlim_max = old_limit.rlim_max};  // less than another
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    Fill(0, 2);
    cache->Write("scope", "", {4}, Pages(0));
    EXPECT_FALSE(Await(*cache).front().ok);
    EXPECT_EQ(fs::file_size(Files().at(0)), size);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
    EXPECT_TRUE(Get(*cache, first));
    EXPECT_TRUE(Holds(1, 1));
    Put(*cache, 3, {5});
  }
  signal(SIGXFSZ, old_action);
  EXPECT_EQ(Open()->TakeFound().size(), 2u);
}

TEST_F(DiskCacheTest, TheEndWritesWhatIsWaiting) {
  {
    const std::unique_ptr<DiskCache> cache = Open();
    for (PageId page = 0; page < 4; ++page) {
      Fill(page, static_cast<char>(page));
      EXPECT_NE(cache->Write("scope", "", {page + 1}, Pages(page)), 0u);
    }
  }
  EXPECT_EQ(Open()->TakeFound().size(), 4u);
}

TEST_F(DiskCacheTest, WhoAsksToBeWokenIs) {
  const std::unique_ptr<DiskCache> cache = Open();
  std::atomic<int> woken = 0;
  cache->WakeWith([&woken] { ++woken; });
  Put(*cache, 1);
  while (woken == 0) std::this_thread::yield();
  cache->WakeWith(nullptr);
  Put(*cache, 2);
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace batucada
