// How families of models write calls of tools: one file for each.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/call_parser.h"

namespace batucada {

// In the order of kCallFormatNames.
enum class CallFormat : uint8_t {
  kAuto,  // the template's: see FindCallFormat
  kNone,  // calls stay text
  kHermes,
  kLlamaJson,
  kMistral,
  kPhi4Mini,
  kJamba,
  kPythonic,
};

// As vLLM's --tool-call-parser has them.
std::vector<std::string> CallFormatNames();

// What stands around calls, for a grammar that makes the model write them. The whole is
//   open, call, (separator, call)*, close     with a call: before_name "NAME" before_arguments {…} behind
struct CallFrame {
  std::string trigger;  // what `open` begins with, where calls may come behind text; empty: only an answer's start
  std::string open, before_name, before_arguments, behind, separator, close;
  bool several = true;  // whether the family writes more than one
};

struct CallFamily {
  CallFormat format;
  const char* name;
  // Whether the source of a chat template speaks of such calls.
  bool (*matches)(std::string_view source);
  // `names`: of the tools, for families whose calls have no mark; outlives the parser.
  std::unique_ptr<CallParser> (*make_parser)(const std::vector<std::string>* names);
  CallFrame frame;
  std::vector<std::string> marks;  // which may be special tokens
};

const CallFamily& HermesCalls();
const CallFamily& LlamaJsonCalls();
const CallFamily& MistralCalls();
const CallFamily& Phi4MiniCalls();
const CallFamily& JambaCalls();
const CallFamily& PythonicCalls();

// REQUIRES: neither kAuto nor kNone.
const CallFamily& FamilyOf(CallFormat format);

// What the source of a template speaks of; kNone if that is nothing that is known here.
CallFormat FindCallFormat(std::string_view source);

}  // namespace batucada
