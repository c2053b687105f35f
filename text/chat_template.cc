#include "text/chat_template.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/chat_messages.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text.h"

namespace batucada {
namespace {

// See FindCallForm. Some templates print calls only where there are tools.
template <typename Render>
CallForm FindCallFormOf(Render render) {
  bool prints = false;
  const CallForm form = FindCallForm([&](const boost::json::array& messages) {
    absl::StatusOr<std::string> text = render(messages, {});
    prints = prints || (text.ok() && jinja::Find(*text, "batucada_argument") != std::string::npos);
    return text;
  });
  if (prints) return form;
  const boost::json::object function = {
      {"name", "batucada_probe"}, {"description", ""}, {"parameters", {{"type", "object"}}}};
  const boost::json::object tool = {{"type", "function"}, {"function", function}};
  return FindCallForm([&](const boost::json::array& messages) {
    return render(messages, {{"tools", boost::json::array{tool}}});
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ChatTemplate::Parse(std::string_view source,
                                                                        boost::json::object special_tokens) {
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<const jinja::Template> jinja, jinja::Template::Parse(source));
  return std::unique_ptr<const ChatTemplate>(new ChatTemplate(std::move(jinja), source, std::move(special_tokens)));
}

ChatTemplate::ChatTemplate(std::unique_ptr<const jinja::Template> jinja, std::string_view source,
                           boost::json::object special_tokens)
    : jinja_(std::move(jinja)), special_tokens_(std::move(special_tokens)), content_form_(FindContentForm()),
      call_form_(FindCallFormOf([this](boost::json::array messages, boost::json::object variables) {
        return RenderOwned(std::move(messages),
                           {.ending = ChatEnding::kGenerationPrompt, .variables = std::move(variables)});
      })),
      tools_form_(FindToolsForm(
          [this](boost::json::array messages, boost::json::object variables) {
            ConvertCalls(call_form_, &messages);
            return RenderOwned(std::move(messages),
                               {.ending = ChatEnding::kGenerationPrompt, .variables = std::move(variables)});
          },
          source)),
      thinking_format_(FindThinkingFormat(source)) {}

std::unique_ptr<const ChatTemplate> ChatTemplate::Unusable(absl::Status reason) {
  BATUCADA_CHECK(!reason.ok());
  return std::unique_ptr<const ChatTemplate>(new ChatTemplate(std::move(reason)));
}

ChatTemplate::ContentForm ChatTemplate::FindContentForm() const {
  static constexpr std::string_view kProbe = "Batucada";
  const boost::json::string probe(kProbe.data(), kProbe.size());
  const boost::json::object part = {{"type", "text"}, {"text", probe}};
  const boost::json::array as_text = {{{"role", "user"}, {"content", probe}}};
  const boost::json::array as_parts = {{{"role", "user"}, {"content", boost::json::array{part}}}};
  const auto from_text = RenderMessages(as_text, {});
  const auto from_parts = RenderMessages(as_parts, {});
  const bool takes_text = from_text.ok() && jinja::Find(*from_text, kProbe) != std::string::npos;
  if (takes_text) return from_parts.ok() && *from_parts == *from_text ? ContentForm::kEither : ContentForm::kText;
  // A template that prints the list itself, braces and all, does not know parts.
  const bool takes_parts = from_parts.ok() && jinja::Find(*from_parts, kProbe) != std::string::npos &&
                           jinja::Find(*from_parts, "'type'") == std::string::npos;
  return takes_parts ? ContentForm::kParts : ContentForm::kText;
}

absl::StatusOr<std::string> ChatTemplate::Render(const ChatInput& input) const {
  return RenderOwned(input.messages, input);
}

absl::StatusOr<std::string> ChatTemplate::RenderReplayed(const ChatInput& input, ChatPart* at_fault) const {
  int64_t work = 0;
  absl::StatusOr<std::string> text = RenderWithout({}, input, &work);
  if (!text.ok() && at_fault != nullptr) *at_fault = FindFault(input, text.status(), work);
  return text;
}

absl::StatusOr<std::string> ChatTemplate::RenderWithout(std::span<const ChatPart> parts, const ChatInput& input,
                                                        int64_t* work) const {
  const auto has = [&](ChatPart part) { return std::find(parts.begin(), parts.end(), part) == parts.end(); };
  boost::json::array messages = input.messages;
  ConvertCalls(call_form_, &messages);
  ChatInput offered = {.ending = input.ending, .now = input.now};
  if (has(ChatPart::kVariables)) offered.variables = input.variables;
  if (has(ChatPart::kThinking)) offered.thinking = input.thinking;
  // Others in their place: there are templates that are for conversations with tools alone.
  OfferTools(tools_form_, has(ChatPart::kTools) ? input.tools : ProbeTools(), &messages, &offered.variables);
  return RenderOwned(std::move(messages), offered, work);
}

// The messages', unless the template could do with them alone; else the part's without which the error is not there.
ChatPart ChatTemplate::FindFault(const ChatInput& input, const absl::Status& error, int64_t work) const {
  std::vector<ChatPart> beside;
  if (!input.variables.empty()) beside.push_back(ChatPart::kVariables);
  if (!input.thinking.empty()) beside.push_back(ChatPart::kThinking);
  if (!input.tools.empty()) beside.push_back(ChatPart::kTools);
  if (beside.empty() || !RenderWithout(beside, input, &work).ok()) return ChatPart::kMessages;
  for (const ChatPart part : beside) {
    if (part == beside.back() || RenderWithout({&part, 1}, input, &work).status() != error) return part;
  }
  return ChatPart::kMessages;
}

bool ChatTemplate::IsReserved(std::string_view name) {
  return name == "messages" || name == "add_generation_prompt" || jinja::IsGlobal(name);
}

absl::StatusOr<std::string> ChatTemplate::RenderOwned(boost::json::array messages, const ChatInput& input,
                                                      int64_t* work) const {
  BATUCADA_RETURN_IF_ERROR(usable_);
  for (const auto& member : input.variables) {
    const std::string_view name(member.key().data(), member.key().size());
    if (IsReserved(name)) {
      return absl::InvalidArgumentError(Concat("'", name, "' cannot be given as a variable of the chat template"));
    }
  }
  BATUCADA_RETURN_IF_ERROR(ConvertContents(content_form_, &messages));
  AliasReasoning(&messages);
  if (input.ending != ChatEnding::kContinueFinalMessage) return RenderMessages(std::move(messages), input, work);
  BATUCADA_ASSIGN_OR_RETURN(const FinalMessageMark mark, FinalMessageMark::Add(&messages));
  BATUCADA_ASSIGN_OR_RETURN(std::string rendered, RenderMessages(std::move(messages), input, work));
  BATUCADA_RETURN_IF_ERROR(mark.Cut(&rendered));
  return rendered;
}

absl::StatusOr<std::string> ChatTemplate::RenderMessages(boost::json::array messages, const ChatInput& input,
                                                         int64_t* work) const {
  const boost::json::value messages_value = std::move(messages);
  const boost::json::value none;
  const boost::json::value generation_prompt = input.ending == ChatEnding::kGenerationPrompt;
  // Of equal names the last one counts.
  std::vector<jinja::Variable> variables = {{"tools", &none}, {"documents", &none}};
  for (const boost::json::object* names : {&special_tokens_, &input.thinking, &input.variables}) {
    for (const auto& member : *names) {
      variables.push_back({{member.key().data(), member.key().size()}, &member.value()});
    }
  }
  variables.push_back({"messages", &messages_value});
  variables.push_back({"add_generation_prompt", &generation_prompt});
  return jinja_->Render(variables, input.now.value_or(absl::Now()), work);
}

}  // namespace batucada
