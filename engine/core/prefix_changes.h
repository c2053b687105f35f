// What has changed in what an engine keeps of texts, for who tells others of it: routers, that send a text where its
// beginning is kept.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace batucada {

struct PrefixChanges {
  // A text can go on from here, until it is told as gone.
  struct Kept {
    uint64_t id = 0;           // never 0, never used again
    uint64_t above = 0;        // the nearest on the way to it that was told and is not gone; 0: there is none
    std::string scope;         // Request::cache_scope of the text
    int64_t start = 0;         // where `ids` begin: the last multiple of a block's tokens that `above` has reached
    std::vector<int32_t> ids;  // from there to where it stands
  };

  std::vector<Kept> kept;      // each behind those it names
  std::vector<uint64_t> gone;  // no text of `kept` stands on one of them
  bool more = false;           // there is more to tell

  bool empty() const { return kept.empty() && gone.empty(); }
};

}  // namespace batucada
