#include "loadtest/client/completion_body.h"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace batucada::loadtest {
namespace {

namespace json = boost::json;

void AppendString(std::string_view text, std::string* out) { *out += json::serialize(json::string(text)); }

void AppendPrompt(const Prompt& prompt, std::string* out) {
  if (prompt.ids.empty()) {
    std::string whole;
    for (const Message& message : prompt.messages) whole += message.text;
    AppendString(whole, out);
    return;
  }
  *out += '[';
  for (const int32_t id : prompt.ids) fmt::format_to(std::back_inserter(*out), "{},", id);
  out->back() = ']';
}

void AppendMessages(const Prompt& prompt, std::string* out) {
  *out += '[';
  for (const Message& message : prompt.messages) {
    *out += "{\"role\":";
    AppendString(message.role, out);
    *out += ",\"content\":";
    AppendString(message.text, out);
    *out += "},";
  }
  out->back() = ']';
}

}  // namespace

std::string_view PathOf(Endpoint endpoint) {
  return endpoint == Endpoint::kChat ? "/v1/chat/completions" : "/v1/completions";
}

absl::StatusOr<CompletionBody> CompletionBody::Create(const Options& options) {
  json::object common;
  if (!options.model.empty()) common["model"] = options.model;
  common["stream"] = true;
  common["stream_options"] = {{"include_usage", true}};
  if (options.end_token == EndToken::kIgnore) common["ignore_eos"] = true;
  if (!options.extra.empty()) {
    boost::system::error_code error;
    const json::value extra = json::parse(options.extra, error);
    if (error || !extra.is_object()) {
      return absl::InvalidArgumentError(
          fmt::format("--extra-body is '{}': it must be a JSON object such as {{\"temperature\": 0}}", options.extra));
    }
    for (const auto& [name, value] : extra.as_object()) common[name] = value;
  }
  CompletionBody body;
  body.endpoint_ = options.endpoint;
  body.common_ = json::serialize(common);
  body.common_.back() = ',';
  return body;
}

std::string CompletionBody::Write(const Prompt& prompt, int64_t max_tokens) const {
  std::string out = common_;
  fmt::format_to(std::back_inserter(out), "\"max_tokens\":{},", max_tokens);
  if (endpoint_ == Endpoint::kChat) {
    out += "\"messages\":";
    AppendMessages(prompt, &out);
  } else {
    out += "\"prompt\":";
    AppendPrompt(prompt, &out);
  }
  out += '}';
  return out;
}

}  // namespace batucada::loadtest
