// One step as the forward pass sees it: the rows, and a block table for each K/V group.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/pages/kv_need.h"
#include "kernels/batch_view.h"
#include "kernels/ops.h"

namespace batucada {

struct BlockTable {
  const int32_t* entries = nullptr;  // [S, width], see BatchView::block_table
  int32_t width = 0;
};

struct CarriedRows;

struct StepView {
  BatchView rows;                                 // its block table is empty
  const CarriedRows* carried = nullptr;           // where they lie between layers, in the model's workspace
  std::array<BlockTable, kMaxKvGroups> tables{};  // by K/V group
  bool every_row_samples = false;                 // sample i is of row i, and there are as many
  PlaceRowsArgs place;                            // of a step with drafts (rows.before): to be done before all else

  // The batch for layers whose K/V is in this group.
  BatchView WithKv(int32_t group) const {
    BatchView batch = rows;
    const BlockTable& table = tables[static_cast<size_t>(group)];
    batch.block_table = table.entries;
    batch.table_width = table.width;
    return batch;
  }
};

}  // namespace batucada
