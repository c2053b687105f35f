#include "text/answer/answer_grammar.h"

#include <string>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"
#include "text/json_text.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// As a part of a structural tag; nothing for a text that is no JSON or has what GrammarCompiler refuses, which says so
// itself.
std::optional<bj::object> FormatOf(const GrammarSpec& spec) {
  switch (spec.kind) {
    case GrammarSpec::Kind::kJsonObject:
      return bj::object{{"type", "json_schema"},
                        {"json_schema", bj::object{{"type", "object"}, {"additionalProperties", true}}}};
    case GrammarSpec::Kind::kJsonSchema: {
      absl::StatusOr<bj::value> schema = ParseJson(spec.text, spec.name);
      if (!schema.ok()) return std::nullopt;
      return bj::object{{"type", "json_schema"}, {"json_schema", *std::move(schema)}};
    }
    case GrammarSpec::Kind::kRegex: return bj::object{{"type", "regex"}, {"pattern", JsonString(spec.text)}};
    case GrammarSpec::Kind::kGbnf: return bj::object{{"type", "grammar"}, {"grammar", JsonString(spec.text)}};
    case GrammarSpec::Kind::kChoice: {
      bj::array ways;
      for (const std::string& choice : spec.choices) {
        ways.push_back({{"type", "const_string"}, {"value", JsonString(choice)}});
      }
      return bj::object{{"type", "or"}, {"elements", std::move(ways)}};
    }
    case GrammarSpec::Kind::kStructuralTag: {
      const absl::StatusOr<bj::value> tag = ParseJson(spec.text, spec.name);
      if (!tag.ok() || !tag->is_object() || !tag->get_object().contains("format")) return std::nullopt;
      const bj::value& format = tag->get_object().at("format");
      if (!format.is_object()) return std::nullopt;
      return format.get_object();
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<GrammarSpec> AnswerGrammar(const OfferedTools* tools, const AnswerForm& form,
                                         const std::optional<GrammarSpec>& own) {
  std::optional<bj::object> calls;
  if (tools != nullptr && form.calls != CallFormat::kNone) {
    OfferedTools asked = *tools;
    const bool may = asked.use == OfferedTools::Use::kMay;
    const bool either = own && own->or_calls && may;
    if (either) asked.use = OfferedTools::Use::kMust;
    if (!own || either || !may) calls = CallGrammar(asked, FamilyOf(form.calls).frame);
    if (either) {
      std::optional<bj::object> text = FormatOf(*own);
      if (!text) return own;
      calls = bj::object{{"type", "or"}, {"elements", bj::array{*std::move(calls), *std::move(text)}}};
    }
  }
  const bool thinks = form.thinking && form.thinking_start != ThinkingStart::kOver;
  if (!calls && (!own || !thinks)) return own;
  std::optional<bj::object> format = calls ? std::move(calls) : FormatOf(*own);
  if (!format) return own;
  if (thinks) {
    format = BehindThinking(*std::move(format), form.thinking->begin, form.thinking->end,
                            form.thinking_start == ThinkingStart::kInside);
  }
  GrammarSpec spec = {.kind = GrammarSpec::Kind::kStructuralTag,
                      .text = bj::serialize(bj::object{{"type", "structural_tag"}, {"format", *format}}),
                      .name = own ? own->name : "tools"};
  return spec;
}

}  // namespace batucada
