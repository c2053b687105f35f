// What keeps a text from being JSON, in words for whoever wrote it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json/error.hpp>

namespace batucada {

// A sentence's end: "has …" or "is …", with the place. REQUIRES: Boost's parser stopped at byte `at` with `error`.
std::string JsonFault(std::string_view text, size_t at, const boost::json::error_code& error);

}  // namespace batucada
