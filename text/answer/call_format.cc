#include "text/answer/call_format.h"

#include <array>

#include "base/status.h"

namespace batucada {
namespace {

// Those whose mark tells them from all others come first.
std::array<const CallFamily*, 6> CallFamilies() {
  return {&HermesCalls(), &LlamaJsonCalls(), &MistralCalls(), &Phi4MiniCalls(), &JambaCalls(), &PythonicCalls()};
}

}  // namespace

std::vector<std::string> CallFormatNames() {
  std::vector<std::string> names = {"auto", "none"};
  for (const CallFamily* family : CallFamilies()) names.emplace_back(family->name);
  return names;
}

const CallFamily& FamilyOf(CallFormat format) {
  BATUCADA_CHECK(format != CallFormat::kAuto && format != CallFormat::kNone);
  return *CallFamilies()[static_cast<size_t>(format) - static_cast<size_t>(CallFormat::kHermes)];
}

CallFormat FindCallFormat(std::string_view source) {
  for (const CallFamily* family : CallFamilies()) {
    if (family->matches(source)) return family->format;
  }
  return CallFormat::kNone;
}

}  // namespace batucada
