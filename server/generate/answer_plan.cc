#include "server/generate/answer_plan.h"

#include <utility>

#include <fmt/format.h>

#include "server/common/error.h"
#include "text/answer/answer_grammar.h"
#include "text/chat_messages.h"

namespace batucada {
namespace {

void Show(const std::vector<std::string>& marks, const Tokenizer& tokenizer, std::vector<int32_t>* shown) {
  for (const std::string& mark : marks) {
    const std::optional<int32_t> id = tokenizer.TokenToId(mark);
    if (id && tokenizer.IsSpecial(*id)) shown->push_back(*id);
  }
}

}  // namespace

absl::StatusOr<AnswerPlan> PlanAnswer(const CompletionParams& params, std::string_view prompt,
                                      const TranslationContext& context) {
  AnswerPlan plan = {.grammar = params.grammar};
  const ChatTemplate& chat_template = *context.chat_template;
  auto form = std::make_shared<AnswerForm>();
  form->splits_thinking = params.splits_thinking;
  form->tells_thinking = params.tells_thinking;
  const ThinkingFormat thinking =
      context.thinking_format == ThinkingFormat::kAuto ? chat_template.thinking_format() : context.thinking_format;
  if (thinking != ThinkingFormat::kNone) {
    const ThinkingMarks& marks = MarksOf(thinking);
    form->thinking = marks;
    const bool continues = params.conversation->ending == ChatEnding::kContinueFinalMessage;
    form->thinking_start =
        FindThinkingStart(marks, prompt, continues ? FinalText(params.conversation->messages) : std::string());
    if (form->thinking_start == ThinkingStart::kOver) {
      form->thinking.reset();
    } else {
      Show({marks.begin, marks.end}, context.tokenizer, &plan.shown_special_tokens);
    }
  }
  const OfferedTools* tools = params.tools ? &*params.tools : nullptr;
  if (tools != nullptr) {
    form->calls = context.call_format == CallFormat::kAuto ? chat_template.call_format() : context.call_format;
    form->tool_names = tools->names;
    form->must_call = tools->use == OfferedTools::Use::kMust;
    if (form->calls != CallFormat::kNone) {
      Show(FamilyOf(form->calls).marks, context.tokenizer, &plan.shown_special_tokens);
    } else if (tools->use == OfferedTools::Use::kMust) {
      return InvalidParameter("tool_choice",
                              "tool_choice asks for a call, and this server does not know how this model writes calls: "
                              "start it with --tool-call-parser NAME, or leave tool_choice out",
                              "unsupported_parameter");
    }
  }
  if (tools != nullptr && tools->use == OfferedTools::Use::kMust && params.grammar && !params.grammar->or_calls) {
    const std::string& name = params.grammar->name;
    return InvalidParameter(
        name, fmt::format("{} and tool_choice both say what the whole answer is: give one of them", name));
  }
  plan.grammar = AnswerGrammar(tools, *form, params.grammar);
  plan.form = std::move(form);
  return plan;
}

absl::Status GrammarFault(const GrammarSpec& grammar, const CompletionParams& params, std::string_view reason) {
  std::string name = grammar.name;
  std::string_view what = reason;
  const auto schema_of = [&](size_t tool) {
    return fmt::format("tools[{}].{}{}", tool, params.names.tool_member, params.names.tool_schema);
  };
  // The reader's place in a text of several parts means nothing to the client; behind it is that in the client's own.
  constexpr std::string_view kInside = "json_schema: ";
  const size_t inside = reason.find(kInside);
  if (reason.starts_with("$.format") && inside != reason.npos && grammar.kind == GrammarSpec::Kind::kStructuralTag &&
      !(params.grammar && params.grammar->kind == GrammarSpec::Kind::kStructuralTag)) {
    what = reason.substr(inside + kInside.size());
    if (params.tools) {
      if (const std::optional<size_t> tool = ToolAtPlace(*params.tools, reason.substr(0, inside))) {
        name = schema_of(*tool);
      }
    }
  } else if (params.tools && name == "tools" && params.tools->use == OfferedTools::Use::kMust) {
    // Of a choice that comes to nothing each is nothing: the first is as good to name.
    if (const std::optional<size_t> tool = ToolAtPlace(*params.tools, ".tags[0]")) name = schema_of(*tool);
  }
  return InvalidParameter(name, fmt::format("{}: {}", name, what), "unsupported_parameter");
}

}  // namespace batucada
