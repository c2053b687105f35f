// Turns a conversation into the text that a chat model was trained on, by the template that comes with the model: the
// same text, byte for byte, as Hugging Face's apply_chat_template.
//
// A template is a Jinja program out of the model's directory. It is interpreted by text/jinja: it reads nothing
// but its input and the clock, and is bounded in time, memory and output.
//
// Immutable: every method may be called from any number of threads at once.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "text/answer/call_format.h"
#include "text/answer/thinking.h"
#include "text/jinja/template.h"
#include "text/offered_tools.h"
#include "text/replayed_calls.h"

namespace batucada {

// How the rendered text ends.
enum class ChatEnding : uint8_t {
  kClosed,                // behind the last message
  kGenerationPrompt,      // with what opens the assistant's next message
  kContinueFinalMessage,  // at the end of the last message's content, for the model to go on with it
};

struct ChatInput {
  // Objects with "role", "content" (a string, or a list of {"type": "text", "text": …}) and whatever else the template
  // knows, such as "name" and "tool_calls".
  boost::json::array messages;
  ChatEnding ending = ChatEnding::kClosed;
  // What the model may call, as clients write it: [{"type": "function", "function": {"name": …, …}}].
  boost::json::array tools;
  // More names for the template to see, such as "enable_thinking" and "documents". They go before the special
  // tokens of the same names.
  boost::json::object variables;
  // Likewise, of what the client says of thinking by other ways; `variables` of the same names count.
  boost::json::object thinking;
  // What strftime_now() tells, in local time; without it, the time of the call.
  std::optional<absl::Time> now;
};

// What of a conversation a template could not do.
enum class ChatPart : uint8_t { kMessages, kTools, kVariables, kThinking };

class ChatTemplate {
 public:
  // Reads model_dir/chat_template.jinja, or where there is none the `chat_template` of model_dir/tokenizer_config.json:
  // a string, or a list of {"name", "template"} of which "default" is taken, and "tool_use" for conversations with
  // tools (as is additional_chat_templates/tool_use.jinja). Special tokens come from tokenizer_config.json and, where
  // it is silent, special_tokens_map.json. `template_file`, unless empty, is read instead of the model's own template.
  // NOT_FOUND if the model has no template, or the file is not there. INVALID_ARGUMENT or UNIMPLEMENTED, with file,
  // line and column, if it has one that is wrong or that is written in what this engine does not do.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const ChatTemplate>> Load(const std::string& model_dir,
                                                                                const std::string& template_file = "");

  // `special_tokens` are names such as "bos_token" and their texts. Errors begin with line and column.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const ChatTemplate>> Parse(std::string_view source,
                                                                                 boost::json::object special_tokens);

  // A template that cannot be used, for `reason`: it stands for a model whose own is wrong, so that what needs no
  // template goes on.
  static std::unique_ptr<const ChatTemplate> Unusable(absl::Status reason);

  // The text for the tokenizer, to be encoded without adding special tokens: the template writes them itself.
  // INVALID_ARGUMENT with a message for the client: the template refuses the conversation (roles that do not
  // alternate), cannot handle its values, or takes too long with it; a content has parts that this template does not
  // take.
  [[nodiscard]] absl::StatusOr<std::string> Render(const ChatInput& input) const;

  // The text for a conversation as it came over the wire: like Render, with past calls of tools (replayed_calls.h) and
  // the tools themselves (offered_tools.h) in the form that the template takes. `at_fault`, unless null, becomes what
  // an error comes from, found by leaving parts out or putting other tools in: all these renderings together are
  // bounded as one.
  [[nodiscard]] absl::StatusOr<std::string> RenderReplayed(const ChatInput& input, ChatPart* at_fault = nullptr) const;

  // Whether templates have something of their own by this name, the conversation or a function, so that it can be no
  // variable: Render refuses them all.
  static bool IsReserved(std::string_view name);

  // What keeps the template from being rendered at all: every Render returns it too.
  const absl::Status& usable() const { return usable_; }

  // In which form the template takes contents; found out by trying. Render brings contents of text into this form:
  // parts are joined with newlines, a string becomes one part.
  enum class ContentForm : uint8_t { kText, kParts, kEither };
  ContentForm content_form() const { return content_form_; }

  // How the model writes calls of tools and what it thinks, as far as the template speaks of it. Where the template
  // knows no tools, calls are as it is told to write them.
  CallFormat call_format() const { return tools_form_.calls; }
  ThinkingFormat thinking_format() const { return thinking_format_; }

 private:
  ChatTemplate(std::unique_ptr<const jinja::Template> jinja, std::string_view source,
               boost::json::object special_tokens);

  explicit ChatTemplate(absl::Status reason) : usable_(std::move(reason)) {}

  // `work` is jinja::Template::Render's, likewise below.
  absl::StatusOr<std::string> RenderWithout(std::span<const ChatPart> parts, const ChatInput& input,
                                            int64_t* work) const;
  ChatPart FindFault(const ChatInput& input, const absl::Status& error, int64_t work) const;
  absl::StatusOr<std::string> RenderOwned(boost::json::array messages, const ChatInput& input,
                                          int64_t* work = nullptr) const;
  // Renders messages that are in the right form.
  absl::StatusOr<std::string> RenderMessages(boost::json::array messages, const ChatInput& input,
                                             int64_t* work = nullptr) const;
  ContentForm FindContentForm() const;

  const absl::Status usable_;
  const std::unique_ptr<const jinja::Template> jinja_;
  const boost::json::object special_tokens_;
  const ContentForm content_form_ = ContentForm::kText;
  const CallForm call_form_;
  const ToolsForm tools_form_;
  const ThinkingFormat thinking_format_ = ThinkingFormat::kNone;
};

}  // namespace batucada
