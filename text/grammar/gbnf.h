// Grammars as llama.cpp's GBNF and XGrammar's EBNF write them:
//
//   root   ::= "a" letters* | ( "b" [0-9]{1,3} )?   # a comment
//   letters ::= [a-zéü] | [^\x00-\x7F] | .
//
// Strings and classes know the escapes \n \r \t \" \\ \[ \] \- \xHH \uHHHH \UHHHHHHHH. A rule ends where the next
// begins.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/grammar/expression.h"

namespace batucada::grammar {

// The rule "root". `names` are of the rules, in their order. INVALID_ARGUMENT says what is wrong, and in which line.
absl::StatusOr<ExprId> ReadGbnf(std::string_view text, Expressions& expressions, std::vector<std::string>* names);

}  // namespace batucada::grammar
