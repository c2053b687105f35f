// What the answers to a conversation are made of, and what they are held to: thinking, calls of tools, a form of the
// text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/generate/completion_params.h"
#include "server/generate/translation_context.h"
#include "text/answer/answer_parser.h"

namespace batucada {

struct AnswerPlan {
  std::shared_ptr<const AnswerForm> form = nullptr;  // never null, once there is a plan
  std::optional<GrammarSpec> grammar = {};           // what the whole text is held to
  std::vector<int32_t> shown_special_tokens = {};    // marks that the form's parser looks for
};

// `prompt`: the conversation as its template writes it. INVALID_ARGUMENT names the parameter. REQUIRES: there is a
// conversation, and a template.
absl::StatusOr<AnswerPlan> PlanAnswer(const CompletionParams& params, std::string_view prompt,
                                      const TranslationContext& context);

// What to tell a client whose grammar, the plan's, does not compile for that reason.
absl::Status GrammarFault(const GrammarSpec& grammar, const CompletionParams& params, std::string_view reason);

}  // namespace batucada
