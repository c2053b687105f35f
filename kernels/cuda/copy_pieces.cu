#include <algorithm>
#include <cstdint>

#include "kernels/cuda/copy_pieces.h"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 512;
constexpr size_t kTileBytes = size_t{64} << 10;  // what a thread block copies at a time

// All pieces cut into tiles: tiles [first_tile[i], first_tile[i + 1]) are piece i's.
struct Pieces {
  CopyPiece piece[kMaxCopyPieces];
  uint32_t first_tile[kMaxCopyPieces + 1];
  int count;
};

template <typename T>
__device__ void CopyTile(char* to, const char* from, size_t bytes) {
  const size_t whole = bytes / sizeof(T);
  for (size_t i = threadIdx.x; i < whole; i += kThreads) {
    reinterpret_cast<T*>(to)[i] = reinterpret_cast<const T*>(from)[i];
  }
  for (size_t i = whole * sizeof(T) + threadIdx.x; i < bytes; i += kThreads) to[i] = from[i];
}

__global__ void __launch_bounds__(kThreads) CopyPiecesKernel(const __grid_constant__ Pieces pieces) {
  int i = 0;
  for (uint32_t tile = blockIdx.x; tile < pieces.first_tile[pieces.count]; tile += gridDim.x) {
    while (tile >= pieces.first_tile[i + 1]) ++i;
    const CopyPiece& piece = pieces.piece[i];
    const size_t first = (tile - pieces.first_tile[i]) * kTileBytes;
    const size_t bytes = min(kTileBytes, piece.bytes - first);
    char* const to = static_cast<char*>(piece.to) + first;
    const char* const from = static_cast<const char*>(piece.from) + first;
    const uintptr_t addresses = reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from);
    if (addresses % 16 == 0) {
      CopyTile<uint4>(to, from, bytes);
    } else if (addresses % 4 == 0) {
      CopyTile<uint32_t>(to, from, bytes);
    } else {
      CopyTile<char>(to, from, bytes);
    }
  }
}

}  // namespace

cudaError_t CopyPieces(std::span<const CopyPiece> list, int max_blocks, cudaStream_t stream) {
  Pieces pieces;
  pieces.count = 0;
  pieces.first_tile[0] = 0;
  for (const CopyPiece& piece : list) {
    if (piece.bytes == 0) continue;
    pieces.piece[pieces.count] = piece;
    const auto tiles = static_cast<uint32_t>((piece.bytes + kTileBytes - 1) / kTileBytes);
    pieces.first_tile[pieces.count + 1] = pieces.first_tile[pieces.count] + tiles;
    ++pieces.count;
  }
  const uint32_t tiles = pieces.first_tile[pieces.count];
  if (tiles == 0) return cudaSuccess;
  const uint32_t blocks = std::min(tiles, static_cast<uint32_t>(max_blocks));
  // An ordinary launch: it waits for all kernels before it, also where those let dependents start early.
  CopyPiecesKernel<<<blocks, kThreads, 0, stream>>>(pieces);
  return cudaGetLastError();
}

}  // namespace batucada::cuda
