// What a sequence holds while it lives, and how many bytes that is: the one place that turns a model's shape into the
// layout of pools. A sequence holds caches of three kinds:
//
//   fixed     recurrent state of Mamba layers, the token sampled last: one size at every position
//   window    K/V of layers that see the last `window` tokens: a ring of blocks
//   growing   K/V of layers that see all tokens: as many blocks as the text has
//
// Layers of one shape are a group. One slot id names all of a sequence's fixed caches; each K/V group has blocks of its
// own size and a block table of its own. A sequence whose request changes logits holds a control row, too.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/rounding.h"
#include "engine/pages/kv_need.h"
#include "kernels/tensor.h"
#include "kernels/token_controls.h"

namespace batucada {

// `layers` Mamba layers: each an ssm fp32 [d_inner, d_state] and a conv [d_inner, conv_width - 1].
struct RecurrentGroup {
  int32_t layers = 0;
  int32_t d_inner = 0;
  int32_t d_state = 0;
  int32_t conv_width = 0;
};

// `layers` caches of keys and values [kv_heads, head_dim] for each of the last `window` tokens.
struct KvGroup {
  int32_t layers = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int64_t window = std::numeric_limits<int32_t>::max();  // tokens; INT32_MAX: all, the group grows
  bool grows() const { return window == std::numeric_limits<int32_t>::max(); }
};

// A cache that a layer writes, or reads: several layers may read one.
struct CacheId {
  int32_t group = -1;  // among those of its kind
  int32_t layer = -1;  // within the group
};

struct StateShape {
  std::vector<RecurrentGroup> recurrent;
  std::vector<KvGroup> kv;         // at most kMaxKvGroups
  int32_t block_tokens = 0;        // tokens per K/V block
  int32_t vocab = 0;               // ids, each with its sampling control
  DType activation = DType::kF32;  // of conv and K/V

  // Bytes of one layer's parts in a slot, and of a whole slot. Parts start at multiples of 256 bytes.
  int64_t SsmBytes(const RecurrentGroup& g) const { return RoundUp(int64_t{g.d_inner} * g.d_state * 4, kAlignment); }
  int64_t ConvBytes(const RecurrentGroup& g) const {
    return RoundUp(int64_t{g.d_inner} * (g.conv_width - 1) * ActivationBytes(), kAlignment);
  }
  int64_t SlotBytes() const {
    int64_t bytes = 0;
    for (const RecurrentGroup& g : recurrent) bytes += g.layers * (SsmBytes(g) + ConvBytes(g));
    return bytes;
  }

  // Bytes of a control row (kernels/token_controls.h).
  int64_t ControlBytes() const { return vocab == 0 ? 0 : batucada::ControlBytes(vocab); }

  // Elements of K (or of V) of one layer in a block, and bytes of a whole block: every layer's K and V.
  int64_t BlockElements(const KvGroup& g) const { return int64_t{g.kv_heads} * block_tokens * g.head_dim; }
  int64_t BlockBytes(const KvGroup& g) const { return BlockElements(g) * g.layers * 2 * ActivationBytes(); }

  // Most blocks of a group that a sequence of `tokens` positions ever holds.
  int64_t BlocksFor(const KvGroup& g, int64_t tokens) const {
    const int64_t all = BlocksOf(tokens, block_tokens), ring = RingBlocks(g.window, block_tokens);
    return all < ring ? all : ring;
  }
  // Bytes of K/V, and of everything but controls, that a sequence of `tokens` positions holds.
  int64_t KvBytes(int64_t tokens) const {
    int64_t bytes = 0;
    for (const KvGroup& g : kv) bytes += BlocksFor(g, tokens) * BlockBytes(g);
    return bytes;
  }
  int64_t SequenceBytes(int64_t tokens) const { return SlotBytes() + KvBytes(tokens); }

 private:
  static constexpr int64_t kAlignment = 256;
  int64_t ActivationBytes() const { return static_cast<int64_t>(SizeOf(activation)); }
};

}  // namespace batucada
