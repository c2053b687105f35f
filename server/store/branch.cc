#include "server/store/branch.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

// How many of `items` one step takes; 0: all of them, with whatever else there is to write.
size_t StepOf(std::span<const StoredItem> items, int64_t* bytes) {
  *bytes = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (static_cast<int64_t>(i) == kStepItems || (i > 0 && *bytes >= kStepBytes)) return i;
    *bytes += static_cast<int64_t>(items[i].id.size() + items[i].json.size());
  }
  return 0;
}

}  // namespace

Store::Branch::~Branch() {
  if (draft_ == 0) return;
  const std::lock_guard lock(store_.mutex_);
  if (store_.items_ != nullptr) store_.items_->EndDraft(draft_);
  store_.leftovers_ = true;
}

absl::Status Store::Branch::Grow(std::span<const StoredItem>* items) {
  int64_t bytes = 0;
  size_t step = StepOf(*items, &bytes);
  if (step == 0) return absl::OkStatus();
  {
    const std::lock_guard lock(store_.mutex_);
    BATUCADA_RETURN_IF_ERROR(
        store_.Read([&] { return store_.items_->CheckLength(last_, static_cast<int64_t>(items->size())); }));
  }
  for (; step > 0; step = StepOf(*items, &bytes)) {
    BATUCADA_RETURN_IF_ERROR(Step(bytes, items->first(step)));
    *items = items->subspan(step);
  }
  return absl::OkStatus();
}

absl::Status Store::Branch::Copy(std::span<const ItemNode>* nodes, int64_t bytes) {
  while (static_cast<int64_t>(nodes->size()) > kStepItems || (bytes > kStepBytes && nodes->size() > 1)) {
    std::vector<StoredItem> items;
    int64_t taken = 0;
    {
      const std::lock_guard lock(store_.mutex_);
      BATUCADA_RETURN_IF_ERROR(store_.Read([&]() -> absl::Status {
        const auto most = std::min(static_cast<size_t>(kStepItems), nodes->size());
        for (size_t i = 0; i < most && taken < kStepBytes; ++i) {
          BATUCADA_ASSIGN_OR_RETURN(StoredItem item, store_.items_->Get((*nodes)[i]));
          taken += static_cast<int64_t>(item.json.size());
          items.push_back(std::move(item));
        }
        return absl::OkStatus();
      }));
    }
    BATUCADA_RETURN_IF_ERROR(Step(taken, items));
    bytes -= taken;
    *nodes = nodes->subspan(items.size());
  }
  return absl::OkStatus();
}

absl::Status Store::Branch::Step(int64_t bytes, std::span<const StoredItem> items) {
  int64_t draft = draft_;
  ItemNode last = last_;
  BATUCADA_RETURN_IF_ERROR(
      store_.Write({.bytes = bytes, .rows = static_cast<int64_t>(items.size())}, [&]() -> absl::Status {
        if (draft == 0) {
          BATUCADA_ASSIGN_OR_RETURN(draft, store_.items_->BeginDraft(last_));
        }
        BATUCADA_ASSIGN_OR_RETURN(last, store_.items_->Append(scope_, last_, items));
        return store_.items_->MoveDraft(draft, last);
      }));
  draft_ = draft;
  last_ = last;
  return absl::OkStatus();
}

}  // namespace batucada
