// What a sequence keeps for one layer, in the numbers that decide its bytes.
#pragma once

#include <cstdint>

namespace batucada {

enum class CacheKind : uint8_t {
  kRecurrent,  // constant: ssm fp32 [d_inner, d_state] and the convolution's last inputs [d_inner, conv_width - 1]
  kKv,         // K and V of the last `window` tokens; without a window, of all
};

struct CacheSpec {
  CacheKind kind = CacheKind::kRecurrent;

  // kRecurrent
  int32_t d_inner = 0;
  int32_t d_state = 0;
  int32_t conv_width = 0;

  // kKv
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t window = 0;  // tokens; INT32_MAX: all, the cache grows with the text

  bool operator==(const CacheSpec&) const = default;
};

}  // namespace batucada
