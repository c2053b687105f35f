#include "server/generate/prompt_encoder.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/first_outside.h"
#include "base/status.h"
#include "server/common/error.h"

namespace batucada {
namespace {

absl::Status NoTokenId(int64_t id, const std::string& name, size_t index, int32_t vocab_size) {
  const std::string element = fmt::format("{}[{}]", name, index);
  return InvalidParameter(element,
                          fmt::format("{} is {}: token ids of this model are 0 to {}", element, id, vocab_size - 1));
}

absl::Status IsEmpty(const std::string& name) {
  return InvalidParameter(name, fmt::format("{} is empty: it must have at least one token", name));
}

std::string NameOf(ChatPart part, const ParameterNames& names) {
  switch (part) {
    case ChatPart::kMessages: break;
    case ChatPart::kTools: return "tools";
    case ChatPart::kVariables: return "chat_template_kwargs";
    case ChatPart::kThinking: return names.thinking;
  }
  return names.prompt;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> EncodeText(const std::string& text, const std::string& name,
                                                const EncodeOptions& options, const Tokenizer& tokenizer) {
  absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, options);
  if (!ids.ok()) return InvalidParameter(name, fmt::format("{}: {}", name, std::string(ids.status().message())));
  return ids;
}

absl::StatusOr<std::vector<int32_t>> ToTokenIds(const std::vector<int64_t>& ids, const std::string& name,
                                                int32_t vocab_size) {
  std::vector<int32_t> result;
  result.reserve(ids.size());
  for (const int64_t id : ids) {
    if (id < 0 || id >= vocab_size) return NoTokenId(id, name, result.size(), vocab_size);
    result.push_back(static_cast<int32_t>(id));
  }
  return result;
}

absl::StatusOr<SharedArray<int32_t>> EncodePrompt(const Prompt& prompt, const std::string& name,
                                                  const EncodeOptions& options, const TranslationContext& context) {
  if (const std::string* text = std::get_if<std::string>(&prompt)) {
    return EncodePromptText(*text, name, options, context.tokenizer);
  }
  const auto& ids = std::get<SharedArray<int32_t>>(prompt);
  const size_t outside = FirstOutside(ids.vector(), context.vocab_size);
  if (outside < ids.size()) return NoTokenId(ids[outside], name, outside, context.vocab_size);
  if (ids.empty()) return IsEmpty(name);
  return ids;
}

absl::StatusOr<std::vector<int32_t>> EncodePromptText(const std::string& text, const std::string& name,
                                                      const EncodeOptions& options, const Tokenizer& tokenizer) {
  absl::StatusOr<std::vector<int32_t>> ids = EncodeText(text, name, options, tokenizer);
  if (ids.ok() && ids->empty()) return IsEmpty(name);
  return ids;
}

absl::StatusOr<std::string> RenderConversation(const ChatInput& conversation, const ParameterNames& names,
                                               const ChatTemplate* chat_template) {
  const std::string& name = names.prompt;
  if (chat_template == nullptr) {
    return InvalidParameter(name,
                            fmt::format("{} cannot be used: this model has no chat template. Use /v1/completions, or "
                                        "start the server with --chat-template FILE",
                                        name),
                            "no_chat_template");
  }
  if (const absl::Status& usable = chat_template->usable(); !usable.ok()) {
    return InvalidParameter(name,
                            fmt::format("{} cannot be used: the model's chat template is wrong ({}). Use "
                                        "/v1/completions, or start the server with --chat-template FILE",
                                        name, std::string(usable.message())),
                            "no_chat_template");
  }
  ChatPart at_fault = ChatPart::kMessages;
  absl::StatusOr<std::string> text = chat_template->RenderReplayed(conversation, &at_fault);
  if (text.ok()) return text;
  const std::string reason(text.status().message());
  const std::string named = NameOf(at_fault, names);
  return InvalidParameter(named, reason.starts_with(named) ? reason : fmt::format("{}: {}", named, reason));
}

absl::StatusOr<std::vector<int32_t>> EncodeConversation(const ChatInput& conversation, const ParameterNames& names,
                                                        const EncodeOptions& options,
                                                        const TranslationContext& context) {
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, RenderConversation(conversation, names, context.chat_template));
  return EncodePromptText(text, names.prompt, options, context.tokenizer);
}

}  // namespace batucada
