#include "text/jinja/ast.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/strings.h"
#include "text/jinja/runtime.h"
#include "text/jinja/serialize.h"

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

namespace {

// One scope. Its own statements are read first, then the bodies inside, which need to know all that it mentions.
class ScopeAnalysis {
 public:
  ScopeAnalysis(const ScopeAnalysis* around, Body* body) : around_(around), body_(*body) {}

  void Parameter(const Target& target) {
    if (target.kind == Target::Kind::kName) mentioned_.insert(target.name);
    for (const Target& part : target.parts) Parameter(part);
  }
  void Parameter(std::string_view name) { mentioned_.insert(name); }
  void Read(const ExpressionPtr& expression) {
    if (expression == nullptr) return;
    if (const auto* name = std::get_if<Name>(&expression->node)) mentioned_.insert(name->name);
    ForEachPart(expression->node, [this](const ExpressionPtr& part) { Read(part); });
  }

  void Run() {
    ReadBlock(body_.statements);
    EnterBlock(&body_.statements);
  }

 private:
  bool IsMentionedAround(std::string_view name) const {
    for (const ScopeAnalysis* scope = around_; scope != nullptr; scope = scope->around_) {
      if (scope->mentioned_.contains(name)) return true;
    }
    return false;
  }

  void Write(std::string_view name) {
    const bool is_first = mentioned_.insert(name).second;
    if (!is_first || branches_ > 0 || IsMentionedAround(name)) return;
    body_.late_names.emplace_back(name, Value::Undefined(Concat(ShortRepr(name), " is undefined")));
  }
  void Write(const Target& target) {
    if (target.kind == Target::Kind::kName) Write(target.name);
    if (target.kind == Target::Kind::kMember) mentioned_.insert(target.name);
    for (const Target& part : target.parts) Write(part);
  }

  void ReadBlock(const Block& block) {
    for (const Statement& statement : block) {
      std::visit([this](const auto& node) { ReadStatement(node); }, statement.node);
    }
  }
  void ReadStatement(const Text&) {}
  void ReadStatement(const Break&) {}
  void ReadStatement(const Continue&) {}
  void ReadStatement(const Generation&) {}
  void ReadStatement(const Print& node) { Read(node.value); }
  void ReadStatement(const For& node) { Read(node.iterable); }
  void ReadStatement(const CallBlock& node) { Read(node.call); }
  void ReadStatement(const FilterBlock& node) { Read(node.filter); }
  void ReadStatement(const MacroDefinition& node) { Write(node.macro.name); }
  void ReadStatement(const SetBlock& node) { Write(node.target); }
  void ReadStatement(const Set& node) {
    Read(node.value);
    Write(node.target);
  }
  void ReadStatement(const With& node) {
    for (const auto& [target, value] : node.assignments) Read(value);
  }
  void ReadStatement(const If& node) {
    if (!node.branches.empty()) Read(node.branches[0].test);
    ++branches_;
    for (const If::Branch& branch : node.branches) {
      Read(branch.test);
      ReadBlock(branch.body);
    }
    ReadBlock(node.otherwise);
    --branches_;
  }

  void EnterBlock(Block* block) {
    for (Statement& statement : *block) {
      std::visit([this](auto& node) { EnterStatement(&node); }, statement.node);
    }
  }
  template <typename Node>
  void EnterStatement(Node*) {}  // has no body
  void EnterStatement(If* node) {
    for (If::Branch& branch : node->branches) EnterBlock(&branch.body);
    EnterBlock(&node->otherwise);
  }
  void EnterStatement(For* node) {
    ScopeAnalysis inside(this, &node->body);
    inside.Parameter(node->target);
    inside.Parameter("loop");
    inside.Run();
    ScopeAnalysis(this, &node->otherwise).Run();
  }
  void EnterStatement(SetBlock* node) { ScopeAnalysis(this, &node->body).Run(); }
  void EnterStatement(FilterBlock* node) { ScopeAnalysis(this, &node->body).Run(); }
  void EnterStatement(Generation* node) { ScopeAnalysis(this, &node->body).Run(); }
  void EnterStatement(With* node) {
    ScopeAnalysis inside(this, &node->body);
    for (const auto& [target, value] : node->assignments) inside.Parameter(target);
    inside.Run();
  }
  void EnterStatement(MacroDefinition* node) { EnterMacro(&node->macro); }
  void EnterStatement(CallBlock* node) { EnterMacro(&node->caller); }
  void EnterMacro(MacroBody* macro) {
    ScopeAnalysis inside(this, &macro->body);
    for (const MacroBody::Parameter& parameter : macro->parameters) inside.Parameter(parameter.name);
    for (const MacroBody::Parameter& parameter : macro->parameters) inside.Read(parameter.fallback);
    for (const char* name : {"caller", "kwargs", "varargs"}) inside.Parameter(name);
    inside.Run();
  }

  const ScopeAnalysis* const around_;
  Body& body_;
  absl::flat_hash_set<std::string_view> mentioned_;
  int branches_ = 0;  // around the statement that is read
};

}  // namespace

void FindLateNames(Body* body) { ScopeAnalysis(nullptr, body).Run(); }

}  // namespace batucada::jinja
