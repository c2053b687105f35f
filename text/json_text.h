// Texts of Boost.JSON's as the standard library's and back: its string_view is a type of its own.
#pragma once

#include <string_view>

#include <boost/json/string.hpp>

namespace batucada {

inline std::string_view View(boost::json::string_view text) { return {text.data(), text.size()}; }
inline boost::json::string JsonString(std::string_view text) { return boost::json::string(text.data(), text.size()); }

}  // namespace batucada
