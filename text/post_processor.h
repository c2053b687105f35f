// The "post_processor" of tokenizer.json: what goes around the tokens of one text.
//
// TemplateProcessing, ByteLevel (which only moves offsets) and Sequence of them.
#pragma once

#include <cstdint>

#include "text/json_cursor.h"
#include "text/tokenizer.h"

namespace batucada {

// An absent post-processor adds nothing. Errors are reported through the cursor; so are ids of `id_limit` and above.
TokenAffixes ParsePostProcessor(const JsonCursor& json, int32_t id_limit);

}  // namespace batucada
