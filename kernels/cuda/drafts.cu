#include "kernels/cuda/drafts.h"

namespace batucada::cuda {
namespace {

constexpr int kPlaceThreads = 128;
constexpr int kCopyThreads = 256;
constexpr int kCopyBlocks = 32;  // that share the copy of a slot

__global__ void __launch_bounds__(kPlaceThreads) PlaceRowsKernel(const PlaceRowsArgs args, int rows) {
  const int row = blockIdx.x * kPlaceThreads + threadIdx.x;
  if (row >= rows || args.from[row] < 0) return;
  const int next = args.next_position[args.from[row]];
  args.positions[row] += next;
  args.start[row] += next;
  args.sampling[row].position += next;
}

__global__ void __launch_bounds__(kCopyThreads) KeepDraftsKernel(const BatchView batch, const KeepDraftsArgs args) {
  const int row = blockIdx.x;
  if (IsDraft(batch.before, batch.slot, row)) return;
  int last = row;  // that is kept
  while (last + 1 < batch.num_decode && IsDraft(batch.before, batch.slot, last + 1) &&
         args.results[last].token == batch.token_ids[last + 1]) {
    ++last;
  }
  const int slot = batch.slot[row], from = batch.slot[last];
  if (blockIdx.y == 0 && threadIdx.x == 0) {
    args.next_position[slot] = batch.positions[last] + 1;
    if (from != slot) args.last_token[slot] = args.last_token[from];
  }
  if (from == slot) return;
  const int64_t packs = args.slot_bytes / static_cast<int64_t>(sizeof(uint4));
  const auto* const source = reinterpret_cast<const uint4*>(args.slots + from * args.slot_bytes);
  auto* const to = reinterpret_cast<uint4*>(args.slots + slot * args.slot_bytes);
  for (int64_t i = blockIdx.y * kCopyThreads + threadIdx.x; i < packs; i += kCopyBlocks * kCopyThreads) {
    to[i] = source[i];
  }
}

}  // namespace

// Ordinary launches, both, and so is Embed behind the first: kernels read places and states before they wait.
cudaError_t PlaceRows(const BatchView& batch, const PlaceRowsArgs& args, const Target& target) {
  const int blocks = (batch.num_decode + kPlaceThreads - 1) / kPlaceThreads;
  PlaceRowsKernel<<<blocks, kPlaceThreads, 0, target.stream>>>(args, batch.num_decode);
  return cudaGetLastError();
}

cudaError_t KeepDrafts(const BatchView& batch, const KeepDraftsArgs& args, const Target& target) {
  const dim3 grid(batch.num_decode, args.slot_bytes == 0 ? 1 : kCopyBlocks);
  KeepDraftsKernel<<<grid, kCopyThreads, 0, target.stream>>>(batch, args);
  return cudaGetLastError();
}

}  // namespace batucada::cuda
