// SGLang's POST /generate: texts or ids with `sampling_params`. Its path is TGI's, too; a body's own names say whose it
// is.
#pragma once

#include <boost/json/object.hpp>

#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/json/unknown_members.h"

namespace batucada {

// Whether a body is SGLang's: it has a prompt by a name of SGLang's, and none by TGI's.
bool IsSglang(const boost::json::object& body);

// Thread-safe. What is refused names the member.
Answer SglangGenerate(Service& service, const HttpRequest& request, const boost::json::object& body);

boost::json::object SglangRequestSchema(UnknownMembers::Policy policy);

}  // namespace batucada
