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

// Pages whose ids follow each other.
struct PageRange {
  PageId first = 0;
  int32_t count = 0;
  friend bool operator==(const PageRange&, const PageRange&) = default;
};

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
  // One of them; none if none is free.
  std::optional<PageId> AllocateOne();
  // One more reference to a page in use.
  void Share(PageId page);
  // One reference less; the page is free with the last. Releasing a free page CHECK-fails.
  void Release(PageId page);
  void Release(std::span<const PageId> pages);

  // --- idle pages: used once, and free for long -------------------------------------------------------------------
  // A period ends, and the next one begins. What was free all through it is idle; of very much, a part.
  void EndPeriod();
  // Some idle pages, at most `most`. A page is told of once before it is dealt again. None: no more in this period.
  std::optional<PageRange> TakeIdle(int32_t most);
  bool has_idle() const { return clean_ < idle_; }
  // There are free pages that were dealt and TakeIdle has not told of since.
  bool has_used() const { return clean_ < available(); }

  int32_t references(PageId page) const;
  int32_t total() const { return static_cast<int32_t>(references_.size()); }
  int32_t available() const { return static_cast<int32_t>(free_.size()); }
  int32_t used() const { return total() - available(); }

 private:
  // The newest of the free pages.
  PageId Deal();
  // The lowest ids are dealt first from here on: pages in use lie close together.
  void SortFree();

  const std::string name_;
  std::vector<int32_t> references_;  // by page
  std::vector<PageId> free_;         // a stack: the page freed last is dealt first, while its bytes may still be cached
  // From its bottom: pages that were never dealt or that TakeIdle has told of; then idle ones, the highest id first;
  // and what was not dealt since the period began.
  int32_t clean_, idle_, untouched_;
};

}  // namespace batucada
