// The name of a model on the Hub, as users write it: ORG/NAME or ORG/NAME@REVISION.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace batucada {

struct HubModel {
  std::string repository;         // "tiiuae/falcon-mamba-7b"
  std::string revision = "main";  // a branch, a tag or a commit

  // As users write it, the revision only if it is not the usual one.
  std::string Name() const;
};

// Nothing if `text` cannot be one: names are of letters, digits, '-', '_' and '.', at most 96, in pairs.
std::optional<HubModel> ParseHubModel(std::string_view text);

// Whether a revision is a commit's whole hash, which will mean the same for ever.
bool IsCommit(std::string_view revision);
// `digits` lower-case hexadecimal ones.
bool IsHex(std::string_view text, size_t digits);

}  // namespace batucada
