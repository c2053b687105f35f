#include "server/grpc/generate_request.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/status.h"
#include "server/common/error.h"
#include "server/common/shortest_double.h"

namespace batucada {
namespace {

void ReadSampling(const v1::SamplingOptions& sampling, CompletionParams* params) {
  // The fields of the table have the same names here.
  const google::protobuf::Descriptor& message = *v1::SamplingOptions::descriptor();
  const google::protobuf::Reflection& reflection = *v1::SamplingOptions::GetReflection();
  for (const SamplingField& field : kSamplingFields) {
    const google::protobuf::FieldDescriptor* member = message.FindFieldByName(std::string(field.name));
    BATUCADA_CHECK(member != nullptr, "SamplingOptions has no ", std::string(field.name));
    if (!reflection.HasField(sampling, member)) continue;
    if (const auto* integer = std::get_if<IntegerMembers>(&field.members)) {
      params->*integer->asked = reflection.GetInt32(sampling, member);
    } else {
      params->*std::get<NumberMembers>(field.members).asked = ShortestDouble(reflection.GetFloat(sampling, member));
    }
  }
  if (sampling.has_seed()) params->seed = sampling.seed();
  for (const auto& [id, bias] : sampling.logit_bias()) params->logit_bias.emplace_back(id, ShortestDouble(bias));
  if (const auto& ids = sampling.allowed_token_ids(); !ids.empty()) {
    params->allowed_token_ids.emplace(ids.begin(), ids.end());
  }
  params->bad_words.assign(sampling.bad_words().begin(), sampling.bad_words().end());
}

void ReadStopping(const v1::StopOptions& stopping, CompletionParams* params) {
  params->stop.assign(stopping.stop().begin(), stopping.stop().end());
  params->stop_token_ids.assign(stopping.stop_token_ids().begin(), stopping.stop_token_ids().end());
  params->ignore_eos = stopping.ignore_eos();
  if (stopping.has_min_tokens()) params->min_tokens = stopping.min_tokens();
  params->include_stop = stopping.include_stop_string();
}

void ReadOutput(const v1::OutputOptions& output, CompletionParams* params) {
  if (output.has_logprobs()) params->logprobs = output.logprobs();
  if (output.has_prompt_logprobs()) params->prompt_logprobs = output.prompt_logprobs();
  params->echo = output.echo();
  params->skip_special_tokens = !output.show_special_tokens();
}

absl::Status ReadStructure(const v1::StructuredOutput& asked, CompletionParams* params) {
  using Kind = GrammarSpec::Kind;
  using Output = v1::StructuredOutput;
  constexpr std::string_view kOutput = "structured_output";
  const auto nothing = [&] {
    return InvalidParameter(kOutput,
                            fmt::format("{} holds the text to nothing: give one of json_schema, json_object, regex, "
                                        "grammar, choices, structural_tag, or leave it out",
                                        kOutput),
                            "missing_parameter");
  };
  GrammarSpec spec;
  switch (asked.format_case()) {
    case Output::kJsonSchema: spec = {.kind = Kind::kJsonSchema, .text = asked.json_schema()}; break;
    case Output::kJsonObject:
      if (!asked.json_object()) return nothing();
      break;
    case Output::kRegex: spec = {.kind = Kind::kRegex, .text = asked.regex()}; break;
    case Output::kGrammar: spec = {.kind = Kind::kGbnf, .text = asked.grammar()}; break;
    case Output::kChoices: {
      const auto& texts = asked.choices().texts();
      spec = {.kind = Kind::kChoice, .text = {}, .choices = {texts.begin(), texts.end()}};
      break;
    }
    case Output::kStructuralTag: spec = {.kind = Kind::kStructuralTag, .text = asked.structural_tag()}; break;
    case Output::FORMAT_NOT_SET: return nothing();
  }
  spec.name = fmt::format("{}.{}", kOutput,
                          Output::descriptor()->FindFieldByNumber(static_cast<int>(asked.format_case()))->name());
  const bool empty = spec.kind == Kind::kChoice ? spec.choices.empty() : spec.text.empty();
  if (empty && spec.kind != Kind::kJsonObject) {
    return InvalidParameter(spec.name,
                            fmt::format("{} is empty: say what the text is held to, or leave it out", spec.name));
  }
  const auto none = std::find(spec.choices.begin(), spec.choices.end(), "");
  if (none != spec.choices.end()) {
    const std::string place = fmt::format("{}.texts[{}]", spec.name, none - spec.choices.begin());
    return InvalidParameter(place, fmt::format("{} is empty: give a text", place));
  }
  params->grammar = std::move(spec);
  return absl::OkStatus();
}

template <typename Request>
absl::StatusOr<CompletionParams> Read(const Request& request) {
  CompletionParams params;
  params.model = request.model();
  if (request.has_max_tokens()) params.max_tokens = request.max_tokens();
  if (request.has_n()) params.n = request.n();
  if (request.has_truncate_prompt_tokens()) params.truncate_prompt_tokens = request.truncate_prompt_tokens();
  params.priority = request.priority();
  ReadSampling(request.sampling(), &params);
  ReadStopping(request.stopping(), &params);
  ReadOutput(request.output(), &params);
  if (request.has_structured_output()) {
    BATUCADA_RETURN_IF_ERROR(ReadStructure(request.structured_output(), &params));
  }
  return params;
}

}  // namespace

absl::StatusOr<CompletionParams> ReadCommon(const v1::GenerateRequest& request) { return Read(request); }
absl::StatusOr<CompletionParams> ReadCommon(const v1::ChatRequest& request) { return Read(request); }

absl::StatusOr<CompletionParams> ParseGenerateRequest(const v1::GenerateRequest& request) {
  BATUCADA_ASSIGN_OR_RETURN(CompletionParams params, ReadCommon(request));
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kText: params.prompts.emplace_back(request.text()); break;
    case v1::GenerateRequest::kTokenIds: {
      const auto& ids = request.token_ids().ids();
      params.prompts.emplace_back(std::vector<int32_t>(ids.begin(), ids.end()));
      break;
    }
    case v1::GenerateRequest::PROMPT_NOT_SET:
      return InvalidParameter("prompt", "prompt is missing: set text or token_ids", "missing_parameter");
  }
  return params;
}

}  // namespace batucada
