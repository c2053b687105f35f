// One message of a conversation, as clients write it: what they made themselves, and what this server or another said
// before and they send back with all its members.
#pragma once

#include <string>

#include <boost/json.hpp>

#include "server/json/request_reader.h"

namespace batucada {

// The message in the form that templates take: members that are null are gone, except an assistant's content, whose
// place is the template's to fill; every part of a content is {"type": "text", "text": …, …}. What is wrong goes to
// `reader`, with `path` before its name; then the result means nothing.
//
// An assistant's message may have any member besides those known: it comes from a program, which knows what it is for,
// and a template may use it. Others may have those that programs are known to add; more are as `reader` takes unknown
// members.
boost::json::object ReadChatMessage(RequestReader& reader, const std::string& path, const boost::json::value& message);

boost::json::object ChatMessageSchema();

}  // namespace batucada
