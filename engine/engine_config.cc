#include "engine/engine_config.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check_range.h"

namespace batucada {
absl::Status EngineConfig::Validate() const {
  if (model_dir.empty()) return absl::InvalidArgumentError("model is empty; it must name a directory");
  for (const absl::Status& status : {CheckRange("threads", threads, 0, 1024),
                                     CheckRange("device", device, 0, 1023),
                                     CheckRange("max-batch-tokens", max_batch_tokens, 0, 1 << 20),
                                     CheckRange("block-tokens", block_tokens, 8, 1024),
                                     CheckRange("draft-tokens", draft_tokens, 0, std::min(block_tokens, 64) - 1),
                                     CheckRange("prompt-share", prompt_share, 0.05, Lower::kClosed, 0.95),
                                     CheckRange("max-sequences", max_sequences, 1, 65536),
                                     CheckRange("urgent-sequences", urgent_sequences, 0, max_sequences - 1),
                                     CheckRange("park", parked_sequences, 0, max_sequences),
                                     CheckRange("controlled-sequences", controlled_sequences, 0, max_sequences),
                                     CheckRange("request-share", request_share, 0.01, Lower::kClosed, 1),
                                     CheckRange("client-share", client_share, 0, Lower::kClosed, 1),
                                     CheckRange("max-waiting", max_waiting, 1, 1 << 20),
                                     CheckRange("max-waiting-tokens", max_waiting_tokens, 1, int64_t{1} << 40),
                                     CheckRange("max-total-tokens", max_total_tokens, 2, int64_t{1} << 30),
                                     CheckRange("pool-memory", pool_bytes, 0, int64_t{1} << 50),
                                     CheckRange("prefix-cache-memory", prefix_cache_bytes, 0, int64_t{1} << 50),
                                     CheckRange("host-cache", host_cache_bytes, 0, int64_t{1} << 50),
                                     CheckRange("disk-cache-size", disk_cache_bytes, 1 << 20, int64_t{1} << 60),
                                     CheckRange("memory-fraction", memory_fraction, 0, Lower::kClosed, 1),
                                     CheckRange("stream-buffer-tokens", stream_buffer_tokens, 1, 1 << 24)}) {
    if (!status.ok()) return status;
  }
  if ((block_tokens & (block_tokens - 1)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("block-tokens is ", block_tokens, "; it must be a power of two"));
  }
  if (max_batch_tokens != 0 && max_batch_tokens < max_sequences) {
    return absl::InvalidArgumentError(absl::StrCat("max-batch-tokens is ", max_batch_tokens,
                                                   "; it must be at least max-sequences, which is ", max_sequences,
                                                   ", so that every sequence gets a row in every step"));
  }
  if (prefix_cache == PrefixCacheUse::kOff && host_cache_bytes > 0) {
    return absl::InvalidArgumentError(
        "host-cache is set, but prefix-cache is off: turn it on, or leave host-cache out");
  }
  if (!disk_cache_dir.empty() && host_cache_bytes == 0) {
    return absl::InvalidArgumentError(
        "disk-cache is set, but there is no host-cache, which what is read from a disk comes to: set host-cache, too");
  }
  if (stall_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("stall-timeout must be more than zero");
  }
  if (park_time <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("park-time must be more than zero");
  }
  if (fake_step_time < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("fake-step-time must not be negative");
  }
  return absl::OkStatus();
}

}  // namespace batucada
