#include "text/grammar/network.h"

#include <algorithm>
#include <bitset>

#include "text/grammar/network_builder.h"

namespace batucada::grammar {

absl::StatusOr<Network> Network::Make(const Expressions& expressions, ExprId root,
                                      const std::vector<std::string>& names, WorkBudget& budget) {
  return NetworkBuilder(expressions, names, budget).Build(root);
}

void Network::ClassifyBytes() {
  std::bitset<257> begins;  // a class begins with this byte
  begins[0] = true;
  for (const ByteEdge& edge : edges_) {
    begins[edge.first] = true;
    begins[size_t{edge.last} + 1] = true;
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (begins[byte]) ++classes_;
    byte_class_[byte] = static_cast<uint8_t>(classes_ - 1);
  }
  for (State& state : states_) {
    if (state.kind != State::Kind::kBytes) continue;
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const int last = std::min<int>(edges_[e].last, 127);
      state.width = static_cast<uint16_t>(state.width + std::max(0, last - edges_[e].first + 1));
    }
  }
}

}  // namespace batucada::grammar
