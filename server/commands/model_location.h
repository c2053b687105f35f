// What --model and its like name: a folder, or a model on the Hub.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "hub/cache.h"
#include "hub/hub_model.h"

namespace batucada {

struct ModelLocation {
  std::string directory;
  std::optional<HubModel> hub;  // if it is from there
};

// A folder that is there is that folder, and where ORG is one here, ORG/NAME is meant as a path. Else
// ORG/NAME[@REVISION] is fetched from the Hub, or found in its cache (the environment says where both are:
// hub/settings.h). Anything else stays as it is: whoever opens it says what is wrong. What else there is to say goes to
// standard error.
absl::StatusOr<ModelLocation> LocateModel(const std::string& model, HubPart part);
// The second of these alone: the folder in the cache.
absl::StatusOr<std::string> FetchFromHub(const HubModel& model, HubPart part);

}  // namespace batucada
