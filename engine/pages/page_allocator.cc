#include "engine/pages/page_allocator.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/status.h"

namespace batucada {

PageAllocator::PageAllocator(std::string name, int32_t num_pages) : name_(std::move(name)) {
  BATUCADA_CHECK(num_pages >= 0, name_);
  references_.assign(static_cast<size_t>(num_pages), 0);
  free_.reserve(static_cast<size_t>(num_pages));
  SortFree();
  clean_ = idle_ = untouched_ = num_pages;
}

PageAllocator::~PageAllocator() { BATUCADA_CHECK(used() == 0, name_, ": ", used(), " pages leaked"); }

std::optional<std::vector<PageId>> PageAllocator::Allocate(int32_t count) {
  BATUCADA_CHECK(count >= 0, name_);
  if (count > available()) return std::nullopt;
  std::vector<PageId> pages(static_cast<size_t>(count));
  for (PageId& page : pages) page = Deal();
  return pages;
}

std::optional<PageId> PageAllocator::AllocateOne() {
  if (available() == 0) return std::nullopt;
  return Deal();
}

PageId PageAllocator::Deal() {
  const PageId page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  for (int32_t* const upto : {&clean_, &idle_, &untouched_}) *upto = std::min(*upto, available());
  return page;
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

void PageAllocator::EndPeriod() {
  constexpr int32_t kMost = 4096;  // to be sorted at once: a fraction of a millisecond
  idle_ = std::min(untouched_, clean_ + kMost);
  std::sort(free_.begin() + clean_, free_.begin() + idle_, std::greater<>());
  untouched_ = available();
}

std::optional<PageRange> PageAllocator::TakeIdle(int32_t most) {
  if (!has_idle()) return std::nullopt;
  const auto next = [this] { return free_[static_cast<size_t>(clean_)]; };
  const PageId last = next();
  PageId first = last;
  for (++clean_; has_idle() && next() == first - 1 && last - first + 1 < most; ++clean_) --first;
  if (!has_used()) SortFree();
  return PageRange{.first = first, .count = last - first + 1};
}

void PageAllocator::SortFree() {
  free_.clear();
  for (PageId page = total(); page-- > 0;) {
    if (references(page) == 0) free_.push_back(page);
  }
}

int32_t PageAllocator::references(PageId page) const {
  BATUCADA_CHECK(page >= 0 && page < total(), name_, ": no page ", page);
  return references_[static_cast<size_t>(page)];
}

}  // namespace batucada
