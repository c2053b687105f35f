#include "text/chat_template.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/chat_messages.h"
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

absl::StatusOr<std::string> ChatTemplate::RenderReplayed(const ChatInput& input) const {
  boost::json::array messages = input.messages;
  ConvertCalls(call_form_, &messages);
  if (input.tools.empty()) {
    OfferTools(tools_form_, {}, &messages, nullptr);
    return RenderOwned(std::move(messages), input);
  }
  ChatInput offered = {.ending = input.ending, .variables = input.variables, .now = input.now};
  OfferTools(tools_form_, input.tools, &messages, &offered.variables);
  return RenderOwned(std::move(messages), offered);
}

absl::StatusOr<std::string> ChatTemplate::RenderOwned(boost::json::array messages, const ChatInput& input) const {
  BATUCADA_RETURN_IF_ERROR(usable_);
  for (const char* name : {"messages", "add_generation_prompt"}) {
    if (input.variables.contains(name)) {
      return absl::InvalidArgumentError(Concat("'", name, "' cannot be given as a variable of the chat template"));
    }
  }
  BATUCADA_RETURN_IF_ERROR(ConvertContents(content_form_, &messages));
  AliasReasoning(&messages);
  if (input.ending != ChatEnding::kContinueFinalMessage) return RenderMessages(std::move(messages), input);
  BATUCADA_ASSIGN_OR_RETURN(const FinalMessageMark mark, FinalMessageMark::Add(&messages));
  BATUCADA_ASSIGN_OR_RETURN(std::string rendered, RenderMessages(std::move(messages), input));
  BATUCADA_RETURN_IF_ERROR(mark.Cut(&rendered));
  return rendered;
}

absl::StatusOr<std::string> ChatTemplate::RenderMessages(boost::json::array messages, const ChatInput& input) const {
  const boost::json::value messages_value = std::move(messages);
  const boost::json::value none;
  const boost::json::value generation_prompt = input.ending == ChatEnding::kGenerationPrompt;
  // Of equal names the last one counts.
  std::vector<jinja::Variable> variables = {{"tools", &none}, {"documents", &none}};
  for (const boost::json::object* names : {&special_tokens_, &input.variables}) {
    for (const auto& member : *names) {
      variables.push_back({{member.key().data(), member.key().size()}, &member.value()});
    }
  }
  variables.push_back({"messages", &messages_value});
  variables.push_back({"add_generation_prompt", &generation_prompt});
  return jinja_->Render(variables, input.now.value_or(absl::Now()));
}

}  // namespace batucada
