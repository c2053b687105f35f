// The tools that a client offers, and how much of them an answer must use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "text/answer/call_format.h"

namespace batucada {

struct OfferedTools {
  enum class Use : uint8_t {
    kMay,   // the model decides
    kMust,  // the answer is calls
  };
  // [{"type": "function", "function": {"name": …, "description": …, "parameters": {…}, "strict": …}}], as clients and
  // templates write them.
  boost::json::array tools;
  Use use = Use::kMay;
  std::vector<std::string> names;  // that may be called; each is one of the tools'
  bool parallel = true;            // whether there may be several calls
};

// The parts of a text (text/grammar/structural_tag.h) that holds its calls to the tools' schemas, as far as that is
// asked for: where the model must call; of tools that are strict; where there may be only one call. Nothing, where
// nothing is to be held.
std::optional<boost::json::object> CallGrammar(const OfferedTools& offered, const CallFrame& frame);

// Which tool's schema a place in that is inside of, "$.format.elements[0].tags[2].content."; nothing, if of none.
std::optional<size_t> ToolAtPlace(const OfferedTools& offered, std::string_view place);

// A text that thinks first, if it wants to or has begun to, and then is `format`.
boost::json::object BehindThinking(boost::json::object format, const std::string& begin, const std::string& end,
                                   bool inside);

}  // namespace batucada
