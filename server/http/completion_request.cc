#include "server/http/completion_request.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "engine/core/status.h"
#include "engine/model/json.h"
#include "server/error.h"
#include "server/request_reader.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// Ids of a token list; false, with the error recorded, if one is not a token id.
bool ReadIds(RequestReader& reader, std::string_view name, const bj::array& list, std::vector<int32_t>* ids) {
  ids->reserve(list.size());
  for (const bj::value& element : list) {
    const int64_t* id = element.if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      reader.Fail(fmt::format("{}[{}]", name, ids->size()),
                  fmt::format("must be a token id, not {}", DescribeJson(element)));
      return false;
    }
    ids->push_back(static_cast<int32_t>(*id));
  }
  return true;
}

// A string, token ids, or a list of either.
void ReadPrompts(RequestReader& reader, std::vector<Prompt>* prompts) {
  constexpr std::string_view kName = "prompt";
  const bj::value* value = reader.Take(kName);
  if (!reader.ok()) return;
  if (value == nullptr)
    return reader.Fail(kName, "is missing: give a string or a list of token ids", "missing_parameter");
  if (value->is_string()) {
    prompts->emplace_back(std::string(value->get_string().data(), value->get_string().size()));
    return;
  }
  if (!value->is_array()) {
    return reader.Fail(kName, fmt::format("must be a string, a list of strings, a list of token ids or a list of such "
                                          "lists, not {}",
                                          DescribeJson(*value)));
  }
  const bj::array& list = value->get_array();
  if (list.empty()) return reader.Fail(kName, "is an empty list", "invalid_value");
  if (list.front().is_number()) {
    std::vector<int32_t> ids;
    if (ReadIds(reader, kName, list, &ids)) prompts->emplace_back(std::move(ids));
    return;
  }
  for (const bj::value& element : list) {
    const std::string name = fmt::format("{}[{}]", kName, prompts->size());
    if (element.is_string()) {
      prompts->emplace_back(std::string(element.get_string().data(), element.get_string().size()));
    } else if (element.is_array()) {
      std::vector<int32_t> ids;
      if (!ReadIds(reader, name, element.get_array(), &ids)) return;
      prompts->emplace_back(std::move(ids));
    } else {
      return reader.Fail(name, fmt::format("must be a string or a list of token ids, not {}", DescribeJson(element)));
    }
  }
}

void ReadStreamOptions(RequestReader& reader, CompletionParams* params, absl::Status* status) {
  const bj::value* value = reader.Take("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("stream_options", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  if (!params->stream) return reader.Fail("stream_options", "is only allowed with \"stream\": true", "invalid_value");
  RequestReader options(value->get_object(), "stream_options.");
  options.Read("include_usage", &params->include_usage);
  *status = options.Finish();
}

// Known to other servers, not done here: refused unless the value is the one that changes nothing.
void RefuseTheRest(RequestReader& reader) {
  reader.Refuse("suffix", {""});
  reader.Refuse("presence_penalty", {0, 0.0});
  reader.Refuse("frequency_penalty", {0, 0.0});
  reader.Refuse("repetition_penalty", {1, 1.0});
  reader.Refuse("logit_bias", {bj::object()});
  reader.Refuse("min_tokens", {0});
  reader.Refuse("allowed_token_ids", {});
  reader.Refuse("bad_words", {bj::array()});
  reader.Refuse("include_stop_str_in_output", {false});
  reader.Refuse("truncate_prompt_tokens", {});
  reader.Refuse("priority", {0});
  reader.Refuse("response_format", {bj::object{{"type", "text"}}});
  reader.Refuse("tools", {bj::array()});
  reader.Refuse("tool_choice", {"none"});
  reader.Refuse("functions", {bj::array()});
  reader.Refuse("function_call", {"none"});
}

}  // namespace

absl::StatusOr<CompletionParams> ParseCompletionRequest(std::string_view body) {
  absl::StatusOr<bj::value> json = ParseJson(body, "the request body");
  if (!json.ok()) return WithParameter(json.status(), "", "invalid_json");
  if (!json->is_object()) {
    return InvalidParameter("", fmt::format("the request body must be a JSON object, not {}", DescribeJson(*json)),
                            "invalid_json");
  }
  RequestReader reader(json->get_object(), "");
  CompletionParams params;
  absl::Status nested;
  std::string user;

  reader.Read("model", &params.model);
  ReadPrompts(reader, &params.prompts);
  reader.Read("max_tokens", &params.max_tokens);
  reader.Read("n", &params.n);
  reader.Read("temperature", &params.temperature);
  reader.Read("top_p", &params.top_p);
  reader.Read("top_k", &params.top_k);
  reader.Read("min_p", &params.min_p);
  reader.Read("seed", &params.seed);
  reader.ReadOneOrMore("stop", &params.stop);
  reader.Read("stop_token_ids", &params.stop_token_ids);
  reader.Read("ignore_eos", &params.ignore_eos);
  reader.Read("skip_special_tokens", &params.skip_special_tokens);
  reader.Read("logprobs", &params.logprobs);
  reader.Read("prompt_logprobs", &params.prompt_logprobs);
  reader.Read("echo", &params.echo);
  reader.Read("return_token_ids", &params.return_token_ids);
  reader.Read("stream", &params.stream);
  ReadStreamOptions(reader, &params, &nested);
  reader.Read("user", &user);  // says who asks; nothing here depends on it

  std::optional<int64_t> best_of;
  reader.Read("best_of", &best_of);
  if (best_of.has_value() && *best_of != params.n.value_or(1)) {
    reader.Fail("best_of",
                fmt::format("is {} and n is {}: only best_of equal to n is supported", *best_of, params.n.value_or(1)),
                "unsupported_parameter");
  }
  RefuseTheRest(reader);
  BATUCADA_RETURN_IF_ERROR(reader.Finish());
  BATUCADA_RETURN_IF_ERROR(nested);
  return params;
}

}  // namespace batucada
