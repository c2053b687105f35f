// Parses the expressions of a template by jinja2's grammar.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/ast.h"
#include "text/jinja/token_stream.h"

namespace batucada::jinja {

// Names that a macro treats specially when its body mentions them.
struct SpecialNames {
  bool varargs = false;
  bool kwargs = false;
  bool caller = false;
};

enum class Conditionals : uint8_t { kAllowed, kNotAllowed };

class ExpressionParser {
 public:
  // REQUIRES: outlives the parser.
  explicit ExpressionParser(TokenStream* tokens) : tokens_(*tokens) {}

  // INVALID_ARGUMENT or UNIMPLEMENTED, with line and column.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> Parse(Conditionals conditionals = Conditionals::kAllowed);
  // One expression, or several with commas between them, which are a tuple. `end_name`: a word that ends it.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> ParseTuple(Conditionals conditionals = Conditionals::kAllowed,
                                                         std::string_view end_name = "");
  // | name(arguments) | …, applied to `input`, which may be null; null if there is none.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> ParseFilters(ExpressionPtr input);
  // The same without the first bar.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> ParseFiltersFromName(ExpressionPtr input);

  // Notes the special names mentioned from here on in `names` too, until the matching Pop.
  void PushSpecialNames(SpecialNames* names) { special_names_.push_back(names); }
  void PopSpecialNames() { special_names_.pop_back(); }

 private:
  using Result = absl::StatusOr<ExpressionPtr>;

  Result ParseConditional();
  Result ParseOr();
  Result ParseAnd();
  Result ParseNot();
  Result ParseComparison();
  Result ParseSum();
  Result ParseConcatenation();
  Result ParseProduct();
  Result ParsePower();
  enum class Filters : uint8_t { kAllowed, kNotAllowed };
  Result ParseUnary(Filters filters);
  Result ParsePrimary();
  Result ParseName();
  Result ParseParenthesized();
  Result ParseList();
  Result ParseDict();
  Result ParsePostfix(ExpressionPtr expression);
  Result ParseFiltersAndTests(ExpressionPtr expression);
  Result ParseSubscript(ExpressionPtr object);
  Result ParseFilter(ExpressionPtr input);
  Result ParseTest(ExpressionPtr input);
  Result ParseCall(ExpressionPtr callee);
  absl::Status ParseArguments(ArgumentList* arguments);
  absl::Status ParseArgument(ArgumentList* arguments);

  [[nodiscard]] absl::Status CheckDepth() const;

  TokenStream& tokens_;
  int depth_ = 0;
  std::vector<SpecialNames*> special_names_;
};

}  // namespace batucada::jinja
