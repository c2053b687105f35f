#include "server/grpc/generate_request.h"

#include "server/error.h"

namespace batucada {

absl::StatusOr<CompletionParams> ParseGenerateRequest(const v1::GenerateRequest& request) {
  CompletionParams params;
  params.model = request.model();
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
  if (request.has_max_tokens()) params.max_tokens = request.max_tokens();
  if (request.has_n()) params.n = request.n();

  const v1::SamplingOptions& sampling = request.sampling();
  if (sampling.has_temperature()) params.temperature = sampling.temperature();
  if (sampling.has_top_p()) params.top_p = sampling.top_p();
  if (sampling.has_min_p()) params.min_p = sampling.min_p();
  if (sampling.has_top_k()) params.top_k = sampling.top_k();
  if (sampling.has_seed()) params.seed = sampling.seed();

  const v1::StopOptions& stopping = request.stopping();
  params.stop.assign(stopping.stop().begin(), stopping.stop().end());
  params.stop_token_ids.assign(stopping.stop_token_ids().begin(), stopping.stop_token_ids().end());
  params.ignore_eos = stopping.ignore_eos();

  const v1::OutputOptions& output = request.output();
  if (output.has_logprobs()) params.logprobs = output.logprobs();
  if (output.has_prompt_logprobs()) params.prompt_logprobs = output.prompt_logprobs();
  params.echo = output.echo();
  params.skip_special_tokens = !output.show_special_tokens();
  return params;
}

}  // namespace batucada
