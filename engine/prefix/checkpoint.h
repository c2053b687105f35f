// A checkpoint: what a sequence held after so many tokens, kept so that another text with the same beginning can go on
// from there. It is valid as a whole or not at all, and always a copy: never a slot that somebody runs in.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/pages/page_copy.h"
#include "engine/prefix/prefix_tree.h"

namespace batucada {

// The pages of one checkpoint in one tier. Blocks by K/V group, each as a block table: entry i holds what entry i of a
// sequence's table held.
struct StoredPages {
  PageId slot = -1;  // -1: nothing is stored
  std::vector<std::vector<PageId>> blocks;
  bool stored() const { return slot >= 0; }
};

struct StateCheckpoint {
  // kPromised: a sequence that runs will write it when it gets there. kWriting: a step in flight does. kReady: that
  // step has ended; from now on it may be used.
  enum class State : uint8_t { kPromised, kWriting, kReady };

  PrefixNode* node = nullptr;
  State state = State::kPromised;
  StoredPages device;
  StoredPages host;
  bool moving = false;      // its pages on the host are being filled: by a step in flight, or from the disk
  bool on_way = false;      // to or from the disk: its pages on the host stay as they are
  uint64_t record = 0;      // on the disk, see CheckpointDisk; 0: it is not there
  int32_t pins = 0;         // by those who are about to go on from it: it stays where it is
  uint64_t used = 0;        // when it was last found or written
  bool superseded = false;  // the same text has gone on to another one
  bool rung = false;        // of a long prompt's ladder: it waits for a text that parts from this one behind it
  bool off_disk = false;    // it must not be written there
  size_t place[3] = {};     // in the cache's lists of what is on the device, on the host, and on the disk

  // Its text has gone on, and no other goes on from there.
  bool left_behind() const { return superseded && node->children.size() <= 1; }
  int64_t position() const { return node->end; }  // tokens that it stands for
  // A sequence can go on from it now; or soon, without anybody's doing.
  bool usable() const { return state == State::kReady && (device.stored() || (host.stored() && !moving)); }
  bool coming() const { return state != State::kReady || (moving && !device.stored()); }
  // It lies on the disk alone.
  bool cold() const { return state == State::kReady && !device.stored() && !host.stored(); }
};

}  // namespace batucada
