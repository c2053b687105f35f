// Deals the ids of fixed-size pages (recurrent slots, K/V blocks) and counts references to them. Owns no bytes and
// knows none: host-only. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace batucada {

using PageId = int32_t;

class PageAllocator {
 public:
  // Deals ids 0 … num_pages - 1. `name` appears in errors.
  PageAllocator(std::string name, int32_t num_pages);
  // CHECKs that every page came back.
  ~PageAllocator();
  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  // All `count` pages, each with one reference, or none at all. The order of ids depends only on the calls so far.
  std::optional<std::vector<PageId>> Allocate(int32_t count);
  // One more reference to a page in use.
  void Share(PageId page);
  // One reference less; the page is free with the last. Releasing a free page CHECK-fails.
  void Release(PageId page);
  void Release(std::span<const PageId> pages);

  int32_t references(PageId page) const;
  int32_t total() const { return static_cast<int32_t>(references_.size()); }
  int32_t available() const { return static_cast<int32_t>(free_.size()); }
  int32_t used() const { return total() - available(); }

 private:
  const std::string name_;
  std::vector<int32_t> references_;  // by page
  std::vector<PageId> free_;         // a stack: the page freed last is dealt first, while its bytes may still be cached
};

}  // namespace batucada
