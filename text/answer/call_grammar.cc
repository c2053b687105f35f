#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "text/answer/tools.h"
#include "text/grammar/json_parts.h"
#include "text/json_text.h"

namespace batucada {
namespace {

namespace bj = boost::json;

bj::object Exactly(std::string_view text) { return {{"type", "const_string"}, {"value", JsonString(text)}}; }

bj::object AnyObject() { return {{"type", "object"}, {"additionalProperties", true}}; }

std::string_view NameOf(const bj::value& tool) {
  const bj::string& name = tool.at("function").at("name").get_string();
  return {name.data(), name.size()};
}

bool MayBeCalled(const OfferedTools& offered, const bj::value& tool) {
  return std::find(offered.names.begin(), offered.names.end(), NameOf(tool)) != offered.names.end();
}

bool IsStrict(const bj::object& function) {
  const bj::value* strict = function.if_contains("strict");
  return strict != nullptr && strict->is_bool() && strict->get_bool();
}

// A tool without parameters takes none. Arguments are an object, whether the schema says so or leaves it open; what
// leaves none is refused before (server/openai/tool_parameters.cc).
bj::value SchemaOf(const bj::object& function) {
  const bj::value* parameters = function.if_contains("parameters");
  if (parameters == nullptr || !parameters->is_object()) {
    return bj::object{{"type", "object"}, {"additionalProperties", false}};
  }
  bj::object schema = parameters->get_object();
  schema["type"] = "object";
  return schema;
}

}  // namespace

std::optional<bj::object> CallGrammar(const OfferedTools& offered, const CallFrame& frame) {
  const bool must = offered.use == OfferedTools::Use::kMust;
  const bool several = offered.parallel && frame.several;
  bool any_strict = false;
  bj::array tags;
  for (const bj::value& tool : offered.tools) {
    if (!MayBeCalled(offered, tool)) continue;
    const bj::object& function = tool.at("function").get_object();
    const bool strict = IsStrict(function);
    any_strict = any_strict || strict;
    bj::object content = {{"type", "json_schema"},
                          {"json_schema", must || strict ? SchemaOf(function) : bj::value(AnyObject())},
                          {"best_effort", !strict}};
    tags.push_back(
        {{"type", "tag"},
         {"begin", JsonString(frame.before_name + grammar::QuoteJson(NameOf(tool)) + frame.before_arguments)},
         {"content", std::move(content)},
         {"end", JsonString(frame.behind)}});
  }
  if (!must && !any_strict && offered.parallel) return std::nullopt;
  const bj::object calls = {{"type", "tags_with_separator"},
                            {"tags", std::move(tags)},
                            {"separator", JsonString(frame.separator)},
                            {"at_least_one", true},
                            {"stop_after_first", !several}};
  const std::string_view opened = std::string_view{frame.open}.substr(must ? 0 : frame.trigger.size());
  bj::array parts;
  if (!opened.empty()) parts.push_back(Exactly(opened));
  parts.push_back(calls);
  if (!frame.close.empty()) parts.push_back(Exactly(frame.close));
  bj::object whole = {{"type", "sequence"}, {"elements", std::move(parts)}};
  if (must) return whole;
  if (frame.trigger.empty()) {  // or a text that does not begin as a call does
    const bj::object text = {{"type", "grammar"}, {"grammar", R"(root ::= [ \t\r\n]{0,16} ([^ \t\r\n{[] .*)?)"}};
    return bj::object{{"type", "or"}, {"elements", bj::array{std::move(whole), text}}};
  }
  const bj::object tag = {
      {"type", "tag"}, {"begin", JsonString(frame.trigger)}, {"content", std::move(whole)}, {"end", ""}};
  return bj::object{{"type", "triggered_tags"},
                    {"triggers", bj::array{JsonString(frame.trigger)}},
                    {"tags", bj::array{tag}},
                    {"stop_after_first", !several}};
}

std::optional<size_t> ToolAtPlace(const OfferedTools& offered, std::string_view place) {
  constexpr std::string_view kTags = ".tags[";
  const size_t begin = place.rfind(kTags);
  if (begin == place.npos) return std::nullopt;
  size_t tag = 0;
  const std::string_view digits = place.substr(begin + kTags.size());
  if (std::from_chars(digits.data(), digits.data() + digits.size(), tag).ec != std::errc()) return std::nullopt;
  for (size_t i = 0; i < offered.tools.size(); ++i) {
    if (MayBeCalled(offered, offered.tools[i]) && tag-- == 0) return i;
  }
  return std::nullopt;
}

bj::object BehindThinking(bj::object format, const std::string& begin, const std::string& end, bool inside) {
  const bj::object blanks = {{"type", "regex"}, {"pattern", "[ \\t\\r\\n]{0,4}"}};
  const bj::object thinking = {{"type", "any_text"}, {"excludes", bj::array{JsonString(end)}}};
  bj::array thought = {thinking, Exactly(end), blanks};
  if (!inside) thought.insert(thought.begin(), Exactly(begin));
  bj::object first = {{"type", "sequence"}, {"elements", std::move(thought)}};
  if (!inside) first = {{"type", "optional"}, {"content", std::move(first)}};
  return {{"type", "sequence"}, {"elements", bj::array{std::move(first), std::move(format)}}};
}

}  // namespace batucada
