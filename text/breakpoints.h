// Where clients say that a conversation will be gone on from, or differently: "prompt_cache_breakpoint" and
// "cache_control" on parts of contents, on messages and on tools. A checkpoint is taken there (engine/prefix).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace batucada {

// Of one conversation the latest so many count, as OpenAI's do; Anthropic's may have no more.
inline constexpr size_t kMostBreakpoints = 4;

// How many parts, messages and tools are marked.
size_t CountBreakpoints(const ChatInput& conversation);

// Bytes of `text`, which `chat_template` made of the conversation, up to the end of each marked part, ascending: of a
// part or a message behind its text, of tools before what comes behind the system's messages. The template says where
// that is: it renders the conversation again, with signs in it. What it does not write, or changes for the signs, has
// no place.
std::vector<size_t> FindBreakpoints(const ChatInput& conversation, std::string_view text,
                                    const ChatTemplate& chat_template);

// The tokens of `text`, which are `ids`, that end within so many bytes; of each of `bytes` that leaves any.
std::vector<int64_t> BreakpointTokens(const std::vector<size_t>& bytes, std::string_view text,
                                      const std::vector<int32_t>& ids, const Tokenizer& tokenizer);

}  // namespace batucada
