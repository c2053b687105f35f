#include "text/jinja/ast.h"

#include <algorithm>

#include "text/jinja/limits.h"

namespace batucada::jinja {
namespace {

class PartVisitor {
 public:
  explicit PartVisitor(const std::function<void(const ExpressionPtr&)>& see) : see_(see) {}

  void operator()(const Literal&) const {}
  void operator()(const Name&) const {}
  void operator()(const AttributeOf& node) const { see_(node.object); }
  void operator()(const ItemOf& node) const { See(node.object, node.index); }
  void operator()(const SliceOf& node) const { See(node.object, node.start, node.stop, node.step); }
  void operator()(const CallOf& node) const {
    see_(node.callee);
    SeeArguments(node.arguments);
  }
  void operator()(const Filtered& node) const {
    see_(node.input);
    SeeArguments(node.arguments);
  }
  void operator()(const Tested& node) const {
    see_(node.input);
    SeeArguments(node.arguments);
  }
  void operator()(const Unary& node) const { see_(node.operand); }
  void operator()(const Binary& node) const { See(node.left, node.right); }
  void operator()(const Logical& node) const { See(node.left, node.right); }
  void operator()(const ComparisonChain& node) const {
    see_(node.first);
    for (const auto& [op, operand] : node.rest) see_(operand);
  }
  void operator()(const Concatenation& node) const { SeeAll(node.parts); }
  void operator()(const Conditional& node) const { See(node.test, node.then, node.otherwise); }
  void operator()(const SequenceDisplay& node) const { SeeAll(node.items); }
  void operator()(const DictDisplay& node) const {
    for (const auto& [key, value] : node.entries) See(key, value);
  }

 private:
  template <typename... Parts>
  void See(const Parts&... parts) const {
    (see_(parts), ...);
  }
  void SeeAll(const std::vector<ExpressionPtr>& parts) const {
    for (const ExpressionPtr& part : parts) see_(part);
  }
  void SeeArguments(const ArgumentList& arguments) const {
    SeeAll(arguments.positional);
    for (const auto& [name, value] : arguments.keyword) see_(value);
    See(arguments.more_positional, arguments.more_keyword);
  }

  const std::function<void(const ExpressionPtr&)>& see_;
};

}  // namespace

void ForEachPart(const ExpressionNode& node, const std::function<void(const ExpressionPtr&)>& see) {
  std::visit(PartVisitor(see), node);
}

absl::StatusOr<ExpressionPtr> MakeExpression(SourceLocation where, ExpressionNode node) {
  int height = 1;
  ForEachPart(node, [&height](const ExpressionPtr& part) {
    if (part != nullptr) height = std::max(height, part->height + 1);
  });
  if (height > kMaxSyntaxDepth) {
    return SyntaxError(where, Concat("this expression nests deeper than ", kMaxSyntaxDepth, " levels"));
  }
  return std::make_unique<const Expression>(Expression{.where = where, .height = height, .node = std::move(node)});
}

}  // namespace batucada::jinja
