// llama.cpp's ways to say how tokens are drawn, where they differ from those of /v1: served where they mean something
// that this server does, refused with what to set where they do not.
#pragma once

#include <string>

#include "server/generate/completion_params.h"
#include "server/json/parameter_table.h"

namespace batucada {

// repeat_penalty, over the last repeat_last_n tokens (64 if absent): our repetition_penalty where that is -1, the whole
// text. 1, or a window of 0, is none.
void ReadRepeatPenalty(RequestReader& reader, CompletionParams& params);

// Names of samplers in order: those that are left out do not act, whatever their settings say. The others must come in
// this server's order, or have settings at which the order makes no difference. REQUIRES: all other members are read.
void ReadSamplers(RequestReader& reader, CompletionParams& params);

// [[id, bias], …] or {"id": bias, …}; the bias false means never.
void ReadLogitPairs(RequestReader& reader, CompletionParams& params);

// Ollama's options have the same.
template <typename Params>
void AddRepeatPenalty(ParameterTable<Params>& table) {
  table.AddRead("repeat_penalty",
                NumberSchema("repetition_penalty, with repeat_last_n -1. Other windows are not supported: 1 is none.",
                             {.min = 0, .max = 10}),
                ReadRepeatPenalty);
  table.AddRead("repeat_last_n", IntegerSchema("How many tokens repeat_penalty looks back; -1: all, 0: none."),
                [](RequestReader&, Params&) {});
}

}  // namespace batucada
