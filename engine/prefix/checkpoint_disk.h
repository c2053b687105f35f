// Where checkpoints lie that have no room in memory, and stay when the process ends: the tier behind the host's memory.
//
// Nothing here waits for a disk. Whoever writes or reads hands over pages of Tier::kHost, leaves them alone until
// TakeDone names the record, and is woken then. Used by one thread, but for the destructor.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/prefix/checkpoint.h"

namespace batucada {

struct CheckpointDiskStats {
  int64_t stored = 0;    // checkpoints that can be read
  int64_t bytes = 0;     // of the files
  uint64_t errors = 0;   // reads and writes that failed
  uint64_t dropped = 0;  // checkpoints that made room for newer ones
  uint64_t moved = 0;    // written again, so that they stay
};

class CheckpointDisk {
 public:
  using Record = uint64_t;  // names a checkpoint here: never 0, never used again
  struct Found {
    Record record = 0;
    std::string scope;
    std::vector<int32_t> ids;  // the text whose state it is
    std::string names;         // of sessions that stand there (session_table.h)
  };
  struct Kept {
    Record record = 0;
    std::string names;  // of sessions that stand there now
  };
  struct Done {
    Record record = 0;
    bool ok = false;
  };

  virtual ~CheckpointDisk() = default;
  // What there was at the start, oldest first; once.
  virtual std::vector<Found> TakeFound() = 0;
  // Begins to write the state behind `ids`. 0: too much is being written already.
  virtual Record Write(const std::string& scope, const std::string& names, std::vector<int32_t> ids,
                       const StoredPages& pages) = 0;
  // Begins to read it into `pages`.
  virtual void Read(Record record, const StoredPages& pages) = 0;
  // What has ended of that. A record that could not be written or read is no more.
  virtual std::vector<Done> TakeDone() = 0;
  // Records that are no more, because others needed their place.
  virtual std::vector<Record> TakeGone() = 0;
  // Records that are the next to go: told once, while there is time to keep some.
  virtual std::vector<Record> TakeLeaving() = 0;
  // Of these, the ones that are worth writing again, the best first: they stay if there is room and time for it.
  virtual void Keep(std::vector<Kept> records) = 0;
  // Called, on a thread of the disk's own, when there is something to take; null: nobody any more, and when this
  // returns, no call is under way.
  virtual void WakeWith(std::function<void()> wake) = 0;
  virtual CheckpointDiskStats stats() const = 0;
};

}  // namespace batucada
