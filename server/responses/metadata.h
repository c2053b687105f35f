// Pairs of texts that clients attach to what is stored.
#pragma once

#include <string_view>

#include <boost/json/object.hpp>

#include "server/json/request_reader.h"

namespace batucada {

// The member `name`: at most 16 pairs, of keys of at most 64 characters and values of at most 512, as OpenAI has it.
boost::json::object ReadMetadata(RequestReader& reader, std::string_view name);

boost::json::object MetadataSchema();

}  // namespace batucada
