#include "engine/text/jinja/ast.h"

#include <algorithm>

#include "engine/text/jinja/limits.h"

namespace batucada::jinja {
namespace {

// The greatest height among the parts of an expression.
class HeightOfParts {
 public:
  int height() const { return height_; }

  void operator()(const Literal&) {}
  void operator()(const Name&) {}
  void operator()(const AttributeOf& node) { See(node.object); }
  void operator()(const ItemOf& node) { See(node.object, node.index); }
  void operator()(const SliceOf& node) { See(node.object, node.start, node.stop, node.step); }
  void operator()(const CallOf& node) {
    See(node.callee);
    SeeArguments(node.arguments);
  }
  void operator()(const Filtered& node) {
    See(node.input);
    SeeArguments(node.arguments);
  }
  void operator()(const Tested& node) {
    See(node.input);
    SeeArguments(node.arguments);
  }
  void operator()(const Unary& node) { See(node.operand); }
  void operator()(const Binary& node) { See(node.left, node.right); }
  void operator()(const Logical& node) { See(node.left, node.right); }
  void operator()(const ComparisonChain& node) {
    See(node.first);
    for (const auto& [op, operand] : node.rest) See(operand);
  }
  void operator()(const Concatenation& node) { SeeAll(node.parts); }
  void operator()(const Conditional& node) { See(node.test, node.then, node.otherwise); }
  void operator()(const SequenceDisplay& node) { SeeAll(node.items); }
  void operator()(const DictDisplay& node) {
    for (const auto& [key, value] : node.entries) See(key, value);
  }

 private:
  template <typename... Parts>
  void See(const Parts&... parts) {
    ((height_ = std::max(height_, parts == nullptr ? 0 : parts->height)), ...);
  }
  void SeeAll(const std::vector<ExpressionPtr>& parts) {
    for (const ExpressionPtr& part : parts) See(part);
  }
  void SeeArguments(const ArgumentList& arguments) {
    SeeAll(arguments.positional);
    for (const auto& [name, value] : arguments.keyword) See(value);
    See(arguments.more_positional, arguments.more_keyword);
  }

  int height_ = 0;
};

}  // namespace

absl::StatusOr<ExpressionPtr> MakeExpression(SourceLocation where, ExpressionNode node) {
  HeightOfParts parts;
  std::visit([&parts](const auto& kind) { parts(kind); }, node);
  const int height = parts.height() + 1;
  if (height > kMaxSyntaxDepth) {
    return SyntaxError(where, Concat("this expression nests deeper than ", kMaxSyntaxDepth, " levels"));
  }
  return std::make_unique<const Expression>(Expression{.where = where, .height = height, .node = std::move(node)});
}

}  // namespace batucada::jinja
