#include "server/openai/cache_parameters.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "server/json/json_schema.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// "30m", "24h": a number and a unit.
bool IsLifetime(std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  if (text.size() < 2 || text.size() > 10 || kUnits.find(text.back()) == kUnits.npos) return false;
  text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

}  // namespace

void ReadSessionNames(RequestReader& reader, CacheHints* hints) {
  reader.Read("prompt_cache_key", &hints->key);
  reader.Read("session_id", &hints->session);
}

void ReadCacheOptions(RequestReader& reader, CacheHints* hints) {
  std::string retention;
  reader.Read("prompt_cache_retention", &retention);
  // "in-memory" is how the first clients wrote it.
  const bool in_memory = retention == "in_memory" || retention == "in-memory";
  if (reader.ok() && !retention.empty() && !in_memory && !IsLifetime(retention)) {
    return reader.Fail("prompt_cache_retention", "must be \"in_memory\" or a time such as \"24h\"", "invalid_value");
  }
  hints->keep_off_disk = in_memory;
  const bj::value* const options = reader.Take("prompt_cache_options");
  if (options == nullptr || !reader.ok()) return;
  if (!options->is_object()) {
    return reader.Fail("prompt_cache_options", fmt::format("must be an object, not {}", DescribeJson(*options)));
  }
  RequestReader members(options->get_object(), "prompt_cache_options.", reader);
  std::string mode, ttl;
  members.Read("mode", &mode);
  members.Read("ttl", &ttl);
  if (members.ok() && !mode.empty() && mode != "implicit" && mode != "explicit") {
    members.Fail("mode", "must be implicit or explicit", "invalid_value");
  }
  if (members.ok() && !ttl.empty() && !IsLifetime(ttl)) {
    members.Fail("ttl", "must be a time such as \"30m\"", "invalid_value");
  }
  reader.Fail(members.Finish());
  hints->only_breakpoints = mode == "explicit";
}

bj::object PromptCacheKeySchema() {
  return StringSchema(
      "What this text is a part of, by a name of the client's: of requests with one, the newest state "
      "is listed by GET /v1/sessions. Texts that begin the same share what was computed whatever it "
      "says; to keep them apart is cache_salt's. At most 256 bytes.");
}

bj::object SessionIdSchema() {
  return StringSchema("Such a name, which comes before prompt_cache_key. At most 256 bytes.");
}

bj::object PromptCacheOptionsSchema() {
  bj::object mode = StringSchema(
      "explicit: of this text states are kept only where a part has a prompt_cache_breakpoint (or a cache_control), of "
      "the latest four. implicit: there, and where they are likely to be wanted.");
  mode["enum"] = bj::array{"implicit", "explicit"};
  return ObjectSchema(
      "Where states of this text are kept, for others that begin the same.",
      {{"mode", Nullable(std::move(mode))},
       {"ttl", Nullable(StringSchema("Such as \"30m\". What is kept makes room for what is worth more, whatever it "
                                     "says."))}});
}

bj::object PromptCacheRetentionSchema() {
  return StringSchema(
      "in_memory: no state of this text is written to the disk (--disk-cache). Else a time such as "
      "\"24h\", which changes nothing.");
}

}  // namespace batucada
