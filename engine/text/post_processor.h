// The "post_processor" of tokenizer.json: what goes around the tokens of one text.
//
// TemplateProcessing, ByteLevel (which only moves offsets) and Sequence of them. Immutable and thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/text/json_cursor.h"

namespace batucada {

struct PostProcessor {
  std::vector<int32_t> prefix, suffix;

  // An absent post-processor adds nothing. Errors are reported through the cursor; so are ids of `id_limit` and above.
  static PostProcessor Parse(const JsonCursor& json, int32_t id_limit);
};

}  // namespace batucada
