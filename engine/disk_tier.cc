#include "engine/disk_tier.h"

#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/human_bytes.h"
#include "base/status.h"
#include "engine/disk/disk_cache.h"

namespace batucada {
namespace {

constexpr const char* kKinds[] = {"auto", "cpu", "cuda", "fake"};

}  // namespace

std::string StateName(const EngineConfig& config, BackendKind kind, Backend& backend) {
  std::string name = absl::StrCat(config.disk_cache_digest, "-", kKinds[static_cast<size_t>(kind)]);
  const BackendCapacity& capacity = backend.capacity();
  if (capacity.host.slots == 0) return name;
  const auto add = [&](int32_t group) {
    std::vector<std::span<char>> bytes;
    backend.HostBytes(group, 0, &bytes);
    for (const std::span<char> part : bytes) absl::StrAppend(&name, "-", part.size());
  };
  add(kSlots);
  for (size_t group = 0; group < capacity.kv.size(); ++group) {
    absl::StrAppend(&name, capacity.kv[group].grows ? "-g" : "-w");
    add(static_cast<int32_t>(group));
  }
  return absl::StrCat(name, "-", capacity.block_tokens);
}

absl::StatusOr<std::unique_ptr<CheckpointDisk>> OpenDiskTier(const EngineConfig& config, BackendKind kind,
                                                             Backend& backend, EngineObserver* observer,
                                                             std::string* report) {
  if (config.disk_cache_dir.empty() || backend.capacity().host.slots == 0) return nullptr;
  DiskCacheConfig disk{.directory = absl::StrCat(config.disk_cache_dir, "/", StateName(config, kind, backend)),
                       .most_bytes = config.disk_cache_bytes,
                       .bytes_of = [&backend](const StoredPages& pages) {
                         std::vector<std::span<char>> bytes;
                         backend.HostBytes(kSlots, pages.slot, &bytes);
                         for (size_t group = 0; group < pages.blocks.size(); ++group) {
                           for (const PageId block : pages.blocks[group]) {
                             backend.HostBytes(static_cast<int32_t>(group), block, &bytes);
                           }
                         }
                         return bytes;
                       }};
  if (observer != nullptr) disk.warn = [observer](const std::string& warning) { observer->OnWarning(warning); };
  absl::StatusOr<std::unique_ptr<DiskCache>> opened = DiskCache::Open(std::move(disk));
  if (absl::IsFailedPrecondition(opened.status())) {
    absl::StrAppend(report, "disk cache: none, because ", opened.status().message(), "\n");
    return nullptr;
  }
  BATUCADA_RETURN_IF_ERROR(opened.status());
  const CheckpointDiskStats stats = (*opened)->stats();
  absl::StrAppend(report, "disk cache ", config.disk_cache_dir, ": ", stats.stored, " checkpoints in ",
                  HumanBytes(stats.bytes), " of ", HumanBytes(config.disk_cache_bytes), "\n");
  return *std::move(opened);
}

}  // namespace batucada
