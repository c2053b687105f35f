// Selective scan (Mamba, arXiv 2312.00752, eq. 2-4) with its gate, over a ragged batch with state:
//   δ = softplus(dt + dt_bias);  h = exp(δ·A)·h + δ·B·x;  out = (C·h + D·x) · silu(z)
//   x, dt, z, out [T, channels] bf16; b, c [T, 16] bf16; a [channels, 16] fp32; d, dt_bias [channels] fp32
//   state of slot s: ssm + s · slot_bytes, [channels, 16] fp32; channels a multiple of 8
//
// Decode rows: one pass that reads and writes the state once. With w_dt it also makes dt = dt_low · w_dtᵀ, [channels,
// dt_rank] bf16, on tensor cores, and starts to read the state before the kernels in front have finished: nothing else
// in a pass may write it. Floor: 128 bytes of state per channel and row over the copy bandwidth. Where there are
// drafts another kernel takes them behind the row that they continue.
//
// Prompts: a block's walkers hold the states of its channels in registers and walk through time; its helpers work a
// tile of tokens ahead (softplus, δ·x, B and C) and two behind (gate, store). A walker issues little but the
// exponentials and h = decay · h + add: δ·B·x is an outer product and C·h a sum over states, so tensor cores make both,
// δ·x as the sum of two bf16 (16 bits) and h cut to tf32 (11 bits, in what is put out only). Floor: the
// special-function units, 16 exponentials per channel and token plus 3 for softplus and gate: 19 at 16 per clock and
// multiprocessor. With few sequences and channels the time axis is cut as well: a first pass finds what each cut adds
// to a zero state and how far it decays, exp(A·Σδ); the second starts every cut from its true state.
//
// What is no number spoils the outputs of its channel for the eight tokens that are put out together, up to seven of
// them before it; a B that is none, those of all channels for its pair of tokens.
//
// Measured on an H200: decode 86% of the floor at 256 rows of 4,096 channels, 72% at 64, with dt given; where it is
// made, and prompts: docs/benchmarks/h200.md. Walkers and helpers fill 70% of the clocks with instructions and 65% of
// the special-function units' with exponentials; the rest is waiting for one while the other is free.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/low_rank.h"

namespace batucada::cuda {

inline constexpr int kMaxStepRank = 256;  // of dt_low, in decode rows
// Decode rows beyond which w_dt is read from the cache too often to pay.
constexpr int MaxStepRows(int64_t dt_rank) { return dt_rank <= 5 * 32 ? 256 : 128; }

struct SelectiveScanParams {
  const __nv_bfloat16* x;
  int64_t x_stride;
  const __nv_bfloat16* dt;
  int64_t dt_stride;
  const __nv_bfloat16* dt_low;  // [T, dt_rank], rows aligned to 16 bytes
  int64_t dt_low_stride;
  const __nv_bfloat16* w_dt;  // [channels, dt_rank], aligned to 16 bytes; decode rows only; null: dt is read
  int32_t dt_rank;            // a multiple of 8, up to kMaxStepRank
  const __nv_bfloat16* b;
  int64_t b_stride;
  const __nv_bfloat16* c;
  int64_t c_stride;
  const __nv_bfloat16* z;
  int64_t z_stride;
  const float* a;
  const float* d;
  const float* dt_bias;
  char* ssm;
  int64_t slot_bytes;
  const int32_t* first_row;  // [S + 1]
  const int32_t* start;      // [S]; 0: the state is zero and not read
  const int32_t* slot;       // [S]
  int32_t num_sequences;     // S
  int32_t num_decode;        // D: rows [0, D) are sequences [0, D)
  int32_t max_chunk;         // longest prompt chunk in rows
  int32_t channels;
  int32_t time_cuts;      // into how many pieces prompts are cut; 0: chosen to fill the device
  __nv_bfloat16* memory;  // [T, channels]: C·h + D·x, before the gate; null: not wanted
  int64_t memory_stride;
  __nv_bfloat16* out;
  int64_t out_stride;
  const int32_t* before;  // BatchView::before; decode rows only
  LowRankParts low;       // with parts: instead of dt_low, b and c; decode rows with w_dt, no drafts

#ifdef __CUDACC__
  __device__ __forceinline__ float* State(int sequence, int channel) const {
    return reinterpret_cast<float*>(ssm + slot[sequence] * slot_bytes) + channel * kScanStates;
  }
#endif
};

cudaError_t SelectiveScan(const SelectiveScanParams& params, const Target& target);
// Its parts: one step of the decode rows, where dt is given or made of `low`, the same where it is made of dt_low, with
// drafts among them, and the prompts.
cudaError_t SelectiveScanStep(const SelectiveScanParams& params, const Target& target);
cudaError_t SelectiveScanStepRows(const SelectiveScanParams& params, const Target& target);
cudaError_t SelectiveScanDrafts(const SelectiveScanParams& params, const Target& target);
cudaError_t SelectiveScanPrompts(const SelectiveScanParams& params, const Target& target);

}  // namespace batucada::cuda
