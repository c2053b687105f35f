// The API's description of itself, OpenAPI 3.1, made of the routes and of the tables that requests are read by.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "server/http/router.h"

namespace batucada {

// What the description says of one route.
struct OperationSpec {
  enum class Streams : uint8_t { kNo, kIfAsked };

  std::string_view summary;
  std::string_view request;  // the schema of the JSON body, by name; empty: there is none
  bool request_optional = false;
  std::string_view answer;  // the schema of the 200 answer, by name
  std::string_view answer_type = "application/json";
  Streams streams = Streams::kNo;
  std::string_view stream_type = "text/event-stream";
  std::string_view unavailable;  // the schema of a 503 that is no error, by name
  bool waits = false;            // for a thread of its own: it may be too much
  bool pages = false;            // whether a part of a list is asked for: limit, order, after
  ErrorForm error_form = ErrorForm::kOpenAi;
};

// An Operation Object. Every route may answer with the errors that any HTTP request can meet.
boost::json::object MakeOperation(const OperationSpec& spec);

// The whole document, as JSON. `schemas` and `more` are all that the routes' operations name.
std::string OpenApiDocument(const Router& router, boost::json::object schemas, const boost::json::object& more);

}  // namespace batucada
