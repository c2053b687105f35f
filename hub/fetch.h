// A model from the Hub, or from the cache.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "hub/cache.h"
#include "hub/hub_model.h"
#include "hub/settings.h"

namespace batucada {

// The folder with the model's files: config, tokenizer, chat template and safetensors, as far as the repository has
// them; of HubPart::kConfig config.json alone. Asks the Hub what the revision means now and fetches what the cache
// lacks, several files at once, each checked against its listed size and digest. A commit that the cache has whole, or
// offline mode, needs no network; where the Hub cannot be reached, what the cache has for the revision is taken, and
// `say` gets a sentence.
// Progress goes to standard error. Errors are sentences for who gave the name: NOT_FOUND (no such repository, revision
// or file; nothing in the cache), PERMISSION_DENIED (a token is wanted), FAILED_PRECONDITION (no safetensors),
// RESOURCE_EXHAUSTED (the disk is too small), DATA_LOSS, UNAVAILABLE.
absl::StatusOr<std::filesystem::path> FetchModel(const HubModel& model, HubPart part, const HubSettings& settings,
                                                 const std::function<void(std::string_view)>& say);

}  // namespace batucada
