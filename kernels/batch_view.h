// One pass of the model over a ragged batch, as kernels see it.
#pragma once

#include <cstdint>

namespace batucada {

// S sequences contribute T token rows in all. The first `num_decode` sequences contribute exactly one row each, which
// continues from the token their slot sampled last; the rest are prompt chunks of any length >= 1. Rows of a sequence
// are consecutive. Drafts of a sequence that decodes stand here as sequences behind it, of one row each: see `before`.
// Scalars are host values (they shape launches); pointers lie in the memory of the device that runs the batch and keep
// their addresses from step to step, so that captured graphs stay valid.
struct BatchView {
  int32_t num_tokens = 0;     // T
  int32_t num_sequences = 0;  // S
  int32_t num_decode = 0;     // D <= S; rows [0, D) are the decode rows
  int32_t max_chunk = 0;      // longest prompt chunk in rows, 0 if S == D
  int32_t max_context = 0;    // no query sees more tokens than this: a bound on start + rows of every sequence, or on
                              // the window where that is smaller

  const int32_t* token_ids = nullptr;     // [T] vocabulary ids; of rows [0, D) only drafts', for others see last_token
  const int32_t* last_token = nullptr;    // [num_slots] the id each slot sampled last
  const int32_t* positions = nullptr;     // [T] absolute position of each row in its sequence
  const int32_t* row_sequence = nullptr;  // [T] index into the [S] arrays
  const int32_t* first_row = nullptr;     // [S + 1] first row of each sequence; first_row[S] == T
  const int32_t* start = nullptr;         // [S] absolute position of each sequence's first row;
                                          //     0 means: no history, initial state is zero and the slot is not read
  const int32_t* slot = nullptr;          // [S] recurrent slot
  const int32_t* block_table = nullptr;   // [S, table_width] K/V blocks as a ring: position p lies in entry
                                          //     (p / block_tokens) % table_width, at offset p % block_tokens
  int32_t table_width = 0;

  // [S] the slot with the state that a sequence begins with, its own but for drafts; null: the batch has none. Sequence
  // s < D is a draft if before[s] != slot[s]: before[s] is then the slot of sequence s - 1, with which it shares K/V
  // blocks and behind whose row its own stands. It leaves its state in slot[s], and that of before[s] as it is.
  const int32_t* before = nullptr;
};

// The bytes of one layer's K/V over all blocks. A block holds every attention layer, so that a block moves as one copy:
// [num_blocks][layer][K, V][kv_heads][block_tokens][head_dim].
struct KvView {
  void* k = nullptr;         // K of block 0 of this layer: [kv_heads, block_tokens, head_dim]
  void* v = nullptr;         // V likewise
  int64_t block_stride = 0;  // elements from one block to the next
  int32_t block_tokens = 0;  // tokens a block holds; a power of two
};

// The bytes of one Mamba layer's state over all slots. A slot holds every layer, so that a sequence moves as one copy:
// [num_slots][layer]{ssm fp32 [d_inner, d_state], conv [d_inner, conv_width - 1]}.
struct RecurrentView {
  float* ssm = nullptr;    // ssm of slot 0: [d_inner, d_state] fp32
  void* conv = nullptr;    // conv of slot 0: [d_inner, conv_width - 1] activation dtype, oldest input first
  int64_t slot_bytes = 0;  // bytes from one slot to the next, for both pointers
};

}  // namespace batucada
