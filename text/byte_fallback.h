// SentencePiece models with tokens for bytes, so that they have no unknown characters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace batucada {

// `model`, a sound tokenizer.model without byte tokens, with the 256 of them behind its own tokens. They take no part
// in the choice of tokens, which therefore stays the same; each unknown character becomes the tokens of its bytes. The
// texts that the file may have with their tokens, for the library to check, are left out: unknown characters in them
// have other tokens now.
// None where a token that texts can become is spelled as a byte's, "<0x41>": the two could not be told apart. A control
// token that is, which no text becomes, is called something else.
std::optional<std::string> WithByteTokens(std::string_view model);

}  // namespace batucada
