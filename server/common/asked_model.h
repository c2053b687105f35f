// A refusal's status carries the model that was asked for, from where that was read to where the request is written
// down.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace batucada {

inline constexpr char kAskedModelPayload[] = "batucada/asked-model";

// `model` is a stranger's text: what is kept of it is bounded.
inline absl::Status WithAskedModel(absl::Status status, std::string_view model) {
  constexpr size_t kMostBytes = 200;
  const std::string_view kept = model.substr(0, kMostBytes);
  if (!status.ok() && !kept.empty() && !status.GetPayload(kAskedModelPayload)) {
    status.SetPayload(kAskedModelPayload, absl::Cord(absl::string_view(kept.data(), kept.size())));
  }
  return status;
}

// Empty if nobody has said.
inline std::string AskedModel(const absl::Status& status) {
  const absl::optional<absl::Cord> model = status.GetPayload(kAskedModelPayload);
  return model ? static_cast<std::string>(*model) : std::string();
}

}  // namespace batucada
