// One file's content into the cache: as much as is not there yet, checked, and then under its name at once.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/byte_progress.h"
#include "hub/http_client.h"
#include "hub/listing.h"

namespace batucada {

struct BlobPlace {
  std::filesystem::path blob, lock;  // the lock's folder and the blob's exist
};

// Does nothing if the blob is there. Goes on from what an earlier attempt left. Where the connection is cut or the Hub
// busy it tries again, without end as long as bytes come, else a few times with growing pauses; where what came is not
// what was listed, once more from the start. Two processes do not fetch the same: the later one waits.
// Counts into `progress` what the blob adds to what is there. Errors: CANCELLED if `stop` was set, UNAVAILABLE if the
// Hub cannot be reached or the disk not written, DATA_LOSS if what it sends is not what it lists, and what `refusal`
// makes of an answer that will not change. Each is a sentence that names the file.
using Refuse = std::function<absl::Status(const HttpAnswer& answer)>;
absl::Status FetchBlob(HttpClient& http, const std::string& url, const HubFile& file, const BlobPlace& place,
                       const Refuse& refusal, const std::atomic<bool>& stop, ByteProgress& progress);

// Waits before attempt number `attempt`, from 1, or for as long as the Hub asked. False if `stop` was set.
bool WaitBeforeRetry(int attempt, absl::Duration asked, const std::atomic<bool>& stop);
inline constexpr int kMostFruitlessAttempts = 5;

}  // namespace batucada
