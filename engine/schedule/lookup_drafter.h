// Drafts from a sequence's own text ("prompt lookup"): what followed when its newest three ids stood there before.
// Right often where a text repeats what it was given or has said: edits, quotations, code, tables, reports about
// documents.
//
// How many come follows how the last ones did: twice as many after all were kept, so many as were kept after a
// rejection, and none for a while after several rejections on end, longer each time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/schedule/drafter.h"

namespace batucada {

class LookupDrafter : public Drafter {
 public:
  // Ids of a text that are looked through, its newest; up to as many more are held, and half as many places in an
  // index: 160 KiB at most for each sequence that runs or is parked.
  static constexpr int32_t kRemembered = 1 << 14;

  void OnAdmitted(SequenceId id, const Request& request) override;
  void OnDrawn(SequenceId id, std::span<const TokenResult> tokens, int32_t rows) override;
  void OnEnded(SequenceId id) override { texts_.erase(id); }
  void Draft(SequenceId id, int64_t position, int32_t undecided, int32_t most, std::vector<int32_t>* drafts) override;

 private:
  static constexpr int32_t kGram = 3;  // ids that have to be the same
  static constexpr size_t kPlaces = kRemembered / 2;

  struct Text {
    int64_t first = 0;  // the position of ids[0]
    std::vector<int32_t> ids;
    size_t indexed = 0;  // of them, how many are in what follows
    // By the hash of kGram ids, where in `ids` the one behind their newest occurrence is.
    std::vector<int32_t> behind = std::vector<int32_t>(kPlaces, -1);
    int32_t match = -1;      // where in `ids` what follows the ids indexed may stand; -1: nowhere
    int32_t length = kGram;  // drafts that are worth their rows
    int32_t failures = 0;    // shares on end of whose drafts none was kept
    int32_t pause = 0;       // tokens to come without drafts
  };
  static void Append(Text& text, int32_t id);
  // Looks at so many ids more; true: at all there are.
  static bool Index(Text& text, size_t most);

  absl::flat_hash_map<SequenceId, std::unique_ptr<Text>> texts_;
};

}  // namespace batucada
