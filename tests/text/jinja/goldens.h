// What jinja2 makes of the templates in this folder: goldens.json, written by make_goldens.py.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tests/text/test_util.h"

namespace batucada {

inline const boost::json::object& JinjaGoldens() {
  static const auto& kGoldens =
      *new boost::json::value(boost::json::parse(ReadFileOrDie("tests/text/jinja/goldens.json")));
  return kGoldens.get_object();
}

// What strftime_now() told when the goldens were made, in whatever zone this machine is.
inline absl::Time GoldenNow() {
  absl::Time now;
  std::string error;
  const std::string text(JinjaGoldens().at("now").as_string());
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%dT%H:%M:%S", text, absl::LocalTimeZone(), &now, &error)) << error;
  return now;
}

// The text of a golden case; nothing if jinja2 refuses it.
inline std::optional<std::string> GoldenText(const boost::json::value& golden) {
  const boost::json::value* text = golden.as_object().if_contains("text");
  if (text == nullptr) return std::nullopt;
  return std::string(text->as_string());
}

}  // namespace batucada
