// Renders templates for compare_with_jinja2.py: reads one JSON object {"source", "variables"} a line and answers each
// with {"text"} or {"error"}.
#include <boost/json.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "text/jinja/template.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const boost::json::value request = boost::json::parse(line);
    const std::string source(request.at("source").as_string());
    std::vector<batucada::jinja::Variable> variables;
    for (const auto& member : request.at("variables").as_object()) {
      variables.push_back({{member.key().data(), member.key().size()}, &member.value()});
    }
    const auto parsed = batucada::jinja::Template::Parse(source);
    absl::StatusOr<std::string> text =
        parsed.ok() ? (*parsed)->Render(variables, absl::Now()) : absl::StatusOr<std::string>(parsed.status());
    boost::json::object answer;
    if (text.ok()) {
      answer["text"] = *text;
    } else {
      answer["error"] = text.status().ToString();
    }
    std::cout << boost::json::serialize(answer) << std::endl;
  }
  return 0;
}
