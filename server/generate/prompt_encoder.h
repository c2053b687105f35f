// Prompts of every kind to token ids.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/shared_array.h"
#include "server/generate/completion_params.h"
#include "server/generate/translation_context.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace batucada {

// All thread-safe. INVALID_ARGUMENT names the parameter, `name` or something inside it.

absl::StatusOr<std::vector<int32_t>> EncodeText(const std::string& text, const std::string& name,
                                                const EncodeOptions& options, const Tokenizer& tokenizer);

// Text is tokenized with `options`; ids are checked and shared as they are. At least one id comes out.
absl::StatusOr<SharedArray<int32_t>> EncodePrompt(const Prompt& prompt, const std::string& name,
                                                  const EncodeOptions& options, const TranslationContext& context);
absl::StatusOr<std::vector<int32_t>> EncodePromptText(const std::string& text, const std::string& name,
                                                      const EncodeOptions& options, const Tokenizer& tokenizer);

// The conversation as text: what EncodeConversation encodes. An error names what it comes from: names.prompt, tools,
// chat_template_kwargs or names.thinking. `chat_template` may be null: there is none.
absl::StatusOr<std::string> RenderConversation(const ChatInput& conversation, const ParameterNames& names,
                                               const ChatTemplate* chat_template);

// The conversation as the model's chat template writes it, special tokens and all. The template has written the start
// token, if there is to be one: options.add_special_tokens puts another before it.
absl::StatusOr<std::vector<int32_t>> EncodeConversation(const ChatInput& conversation, const ParameterNames& names,
                                                        const EncodeOptions& options,
                                                        const TranslationContext& context);

// `ids`, if all of them are the model's.
absl::StatusOr<std::vector<int32_t>> ToTokenIds(const std::vector<int64_t>& ids, const std::string& name,
                                                int32_t vocab_size);

}  // namespace batucada
