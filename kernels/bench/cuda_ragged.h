// A batch for benchmarks: equal prompts or decode rows, slots and blocks in order.
#pragma once

#include <vector>

#include "kernels/bench/cuda_bench.h"

namespace batucada::bench {

struct Ragged {
  BatchView view;
  std::vector<Buffer> storage;

  // `sequences` of `rows` rows each from position `start`; they are decode rows if rows is 1 and start is not 0.
  Ragged(Bench& bench, int32_t sequences, int32_t rows, int32_t start, int32_t table_width) {
    const bool decode = rows == 1 && start > 0;
    std::vector<int32_t> positions, row_sequence, first_row, starts, slots, table, ids;
    for (int32_t s = 0; s < sequences; ++s) {
      first_row.push_back(s * rows);
      starts.push_back(start);
      slots.push_back(s);
      for (int32_t r = 0; r < rows; ++r) {
        positions.push_back(start + r);
        row_sequence.push_back(s);
        ids.push_back((s * 7919 + r * 31) % 1000);
      }
      for (int32_t b = 0; b < table_width; ++b) table.push_back(s * table_width + b);
    }
    first_row.push_back(sequences * rows);
    const auto upload = [&](const std::vector<int32_t>& values) {
      storage.push_back(bench.Upload(values));
      return storage.back().As<const int32_t>();
    };
    view = {.num_tokens = sequences * rows,
            .num_sequences = sequences,
            .num_decode = decode ? sequences : 0,
            .max_chunk = decode ? 0 : rows,
            .max_context = start + rows,
            .token_ids = upload(ids),
            .last_token = upload(std::vector<int32_t>(static_cast<size_t>(sequences), 5)),
            .positions = upload(positions),
            .row_sequence = upload(row_sequence),
            .first_row = upload(first_row),
            .start = upload(starts),
            .slot = upload(slots),
            .block_table = upload(table),
            .table_width = table_width};
  }
};

}  // namespace batucada::bench
