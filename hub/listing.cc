#include "hub/listing.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/nested_json.h"
#include "base/status.h"
#include "base/strings.h"
#include "hub/digest.h"
#include "hub/hub_model.h"

namespace batucada {
namespace {

constexpr std::string_view kNeeded[] = {"config.json",       "generation_config.json", "tokenizer.json",
                                        "tokenizer.model",   "tokenizer_config.json",  "special_tokens_map.json",
                                        "added_tokens.json", "chat_template.jinja",    kToolTemplateFile,
                                        kIndexFile};

// A name that stays in its folder, and that no shell or terminal minds.
bool IsFileName(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= 200 && name.front() != '.' && std::all_of(name.begin(), name.end(), plain);
}

bool IsNeeded(std::string_view name) {
  return std::find(std::begin(kNeeded), std::end(kNeeded), name) != std::end(kNeeded) || name.ends_with(".safetensors");
}

bool IsPickle(std::string_view name) {
  return name.ends_with(".bin") || name.ends_with(".pth") || name.ends_with(".pt") || name.ends_with(".ckpt");
}

}  // namespace

absl::StatusOr<HubListing> ParseListing(std::string_view json) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJson(json, "the Hub's answer"));
  absl::Status status;
  const JsonObject root(document, "the Hub's answer: ", &status);
  HubListing listing;
  listing.commit = root.String("sha");
  if (status.ok() && !IsCommit(listing.commit)) root.Fail("sha", "is no commit");
  for (const JsonObject& entry : root.Objects("siblings")) {
    HubFile file{.name = entry.String("rfilename")};
    if (!IsFileName(file.name) && file.name != kToolTemplateFile) continue;
    if (IsPickle(file.name)) listing.pickles.push_back(file.name);
    if (!IsNeeded(file.name)) continue;
    file.size = entry.Int("size", {.min = 0, .max = int64_t{1} << 50});
    file.digest = entry.Has("lfs") ? entry.Object("lfs").String("sha256") : entry.String("blobId");
    if (status.ok() && !IsDigest(file.digest)) {
      entry.Fail(entry.Has("lfs") ? "lfs.sha256" : "blobId", "is neither a SHA-256 nor a SHA-1");
    }
    listing.files.push_back(std::move(file));
  }
  if (!status.ok()) return status;
  return listing;
}

const HubFile* FindFile(const HubListing& listing, std::string_view name) {
  const auto found = std::find_if(listing.files.begin(), listing.files.end(),
                                  [name](const HubFile& file) { return file.name == name; });
  return found == listing.files.end() ? nullptr : &*found;
}

absl::StatusOr<std::vector<std::string>> ShardsOf(std::string_view index) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJsonFile(index, kIndexFile));
  absl::Status status;
  const JsonObject root(document, Concat(kIndexFile, ": "), &status);
  const JsonObject map = root.Object("weight_map");
  std::set<std::string> shards;
  if (status.ok()) {
    for (const auto& member : root.Find("weight_map")->get_object()) {
      const std::string shard = map.String(std::string(member.key()));
      if (status.ok() && !(IsFileName(shard) && shard.ends_with(".safetensors"))) {
        map.Fail(std::string(member.key()), "does not name a file of safetensors");
      }
      shards.insert(shard);
    }
  }
  if (!status.ok()) return status;
  return std::vector<std::string>(shards.begin(), shards.end());
}

}  // namespace batucada
