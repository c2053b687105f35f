// What a repository holds at one commit, as the Hub's API tells, and which of it serving needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace batucada {

struct HubFile {
  std::string name;    // in the repository's root
  int64_t size = 0;    // bytes
  std::string digest;  // of the content: digest.h
};

struct HubListing {
  std::string commit;                // whole hash
  std::vector<HubFile> files;        // of the root, those alone that serving could need
  std::vector<std::string> pickles;  // weights that only Python's pickle reads, never fetched
};

inline constexpr int64_t kMaxListingBytes = 32 << 20;
inline constexpr int64_t kMaxIndexBytes = 100'000'000;  // of an index of shards
inline constexpr std::string_view kWeightsFile = "model.safetensors";
inline constexpr std::string_view kIndexFile = "model.safetensors.index.json";
// The one file in a folder of its own that serving needs: the chat template where there are tools.
inline constexpr std::string_view kToolTemplateFile = "additional_chat_templates/tool_use.jinja";

// Of `ENDPOINT/api/models/REPOSITORY/revision/REVISION?blobs=true`. INVALID_ARGUMENT if it is not such an answer.
absl::StatusOr<HubListing> ParseListing(std::string_view json);

// Null if there is no such file.
const HubFile* FindFile(const HubListing& listing, std::string_view name);

// How a model's weights lie: the one file if there is one, else the shards that the index names.
// The names of shards in the text of an index. INVALID_ARGUMENT names one that is no file's name.
absl::StatusOr<std::vector<std::string>> ShardsOf(std::string_view index);

}  // namespace batucada
