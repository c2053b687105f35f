// Messages as Anthropic's clients write them, in the form that templates take.
#pragma once

#include <string>

#include <boost/json.hpp>

#include "server/json/request_reader.h"

namespace batucada {

// Appends what the message says: a result of a tool is a message of its own. What is wrong goes to `reader`, with
// `path` before its name.
void ReadAnthropicMessage(RequestReader& reader, const std::string& path, const boost::json::value& message,
                          boost::json::array* messages);

// A text, or the texts of blocks one behind the other.
// `first`: what number errors give the first block.
std::string ReadTextBlocks(RequestReader& reader, const std::string& path, const boost::json::value& content,
                           size_t first = 0);

// The same as parts, one up to each block that has a cache_control; empty if nothing is said.
boost::json::array ReadSystemBlocks(RequestReader& reader, const std::string& path, const boost::json::value& content);

}  // namespace batucada
