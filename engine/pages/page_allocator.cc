#include "engine/pages/page_allocator.h"

#include <utility>

#include "base/status.h"

namespace batucada {

PageAllocator::PageAllocator(std::string name, int32_t num_pages) : name_(std::move(name)) {
  BATUCADA_CHECK(num_pages >= 0, name_);
  references_.assign(static_cast<size_t>(num_pages), 0);
  free_.reserve(static_cast<size_t>(num_pages));
  for (PageId page = num_pages; page-- > 0;) free_.push_back(page);
}

PageAllocator::~PageAllocator() { BATUCADA_CHECK(used() == 0, name_, ": ", used(), " pages leaked"); }

std::optional<std::vector<PageId>> PageAllocator::Allocate(int32_t count) {
  BATUCADA_CHECK(count >= 0, name_);
  if (count > available()) return std::nullopt;
  std::vector<PageId> pages(free_.rbegin(), free_.rbegin() + count);
  free_.resize(free_.size() - static_cast<size_t>(count));
  for (PageId page : pages) references_[static_cast<size_t>(page)] = 1;
  return pages;
}

void PageAllocator::Share(PageId page) {
  BATUCADA_CHECK(references(page) > 0, name_, ": page ", page, " is free");
  ++references_[static_cast<size_t>(page)];
}

void PageAllocator::Release(PageId page) {
  BATUCADA_CHECK(references(page) > 0, name_, ": page ", page, " is free");
  if (--references_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

void PageAllocator::Release(std::span<const PageId> pages) {
  for (PageId page : pages) Release(page);
}

int32_t PageAllocator::references(PageId page) const {
  BATUCADA_CHECK(page >= 0 && page < total(), name_, ": no page ", page);
  return references_[static_cast<size_t>(page)];
}

}  // namespace batucada
