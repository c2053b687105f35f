// What a request does to the logits, as the device keeps it (kernels/token_controls.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/request.h"

namespace batucada {

// [ControlBytes(vocab)]: biases, marks of the prompt's ids and of ids that end the text, banned phrases, and the newest
// ids of the prompt. `end_tokens` are the model's own; they count unless the request ignores them. REQUIRES: a request
// that passed validation.
std::vector<char> MakeControlRow(const Request& request, int32_t vocab, std::span<const int32_t> end_tokens);

}  // namespace batucada
