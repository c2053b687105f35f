#include "engine/model/architecture.h"

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "engine/model/architectures/architectures.h"

namespace batucada {
namespace {

constexpr const Architecture* kArchitectures[] = {&kSamba, &kMamba,   &kFalconMamba, &kJamba,
                                                  &kLlama, &kMistral, &kPhi4Flash};

}  // namespace

std::string Architecture::CanonicalName(std::string_view name) const {
  std::string canonical(name);
  for (const Spelling& spelling : spellings) {
    if (spelling.where == Spelling::Where::kPrefix && canonical.starts_with(spelling.other)) {
      canonical.replace(0, spelling.other.size(), spelling.ours);
    } else if (spelling.where == Spelling::Where::kSuffix && canonical.ends_with(spelling.other)) {
      canonical.replace(canonical.size() - spelling.other.size(), spelling.other.size(), spelling.ours);
    }
  }
  return canonical;
}

std::string_view Architecture::NameOf(Part part) const {
  for (const TensorLine& line : tensors) {
    if (line.parts[0] == part) return line.name;
  }
  return "";
}

const Architecture* FindArchitecture(std::string_view model_type) {
  for (const Architecture* architecture : kArchitectures) {
    if (architecture->model_type == model_type) return architecture;
  }
  return nullptr;
}

const Architecture* FindArchitecture(const JsonObject& root) {
  // state-spaces' own files name no type.
  if (!root.Has("model_type") && root.Has("d_model") && root.Has("n_layer")) return &kMambaOriginal;
  return FindArchitecture(root.String("model_type"));
}

std::string ArchitectureNames() {
  std::string names;
  const size_t count = std::size(kArchitectures);
  for (size_t i = 0; i < count; ++i) {
    names += Concat(i == 0 ? "" : i + 1 == count ? " and " : ", ", "\"", kArchitectures[i]->model_type, "\"");
  }
  return names;
}

}  // namespace batucada
