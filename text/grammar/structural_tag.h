// Texts of several parts, each held to something of its own, as XGrammar's structural tags describe them: free text
// with calls of tools in it, thinking before an answer.
//
//   const_string {value} · json_schema {json_schema, best_effort: hold to what can be} · regex {pattern} ·
//   grammar {grammar} · any_text {excludes}
//   sequence, or {elements} · optional, star, plus {content} · tag {begin, content, end}
//   triggered_tags {triggers, tags, at_least_one, stop_after_first}: free text; once it holds a trigger, one of the
//   tags
//     that begin with it follows
//   tags_with_separator {tags, separator, at_least_one, stop_after_first}
//
// at {"type": "structural_tag", "format": …}; the older {"structures": [{begin, schema, end}], "triggers": …} too. Free
// text inside a tag does not hold the tag's end.
//
// A special token that a text spells is meant as that token; free text holds no others.
#pragma once

#include <boost/json/value.hpp>

#include "absl/status/statusor.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/work_budget.h"
#include "text/tokenizer.h"

namespace batucada::grammar {

// INVALID_ARGUMENT: "$.format.elements[1].pattern …".
absl::StatusOr<ExprId> ReadStructuralTag(const boost::json::value& tag, const Tokenizer& tokenizer,
                                         Expressions& expressions, JsonParts& json, WorkBudget& budget);

}  // namespace batucada::grammar
