// What keeps a text from being JSON, in words for whoever wrote it, and whether it could stand in one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json/error.hpp>

namespace batucada {

// A sentence's end: "has …" or "is …", with the place. REQUIRES: Boost's parser stopped at byte `at` with `error`.
std::string JsonFault(std::string_view text, size_t at, const boost::json::error_code& error);

// Whether all of it is UTF-8, as JSON must be.
bool IsUtf8(std::string_view text);

}  // namespace batucada
