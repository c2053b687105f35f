#include "text/grammar.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/nested_json.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/regex.h"
#include "text/grammar/structural_tag.h"
#include "text/utf8.h"

namespace batucada {
namespace {

using grammar::Expressions;
using grammar::ExprId;

constexpr int64_t kCompileSteps = 1'500'000;  // a fifth of a second

struct Parsed {
  ExprId root = grammar::kNoText;
  std::vector<std::string> rule_names;
};

// Parts that a structural tag puts a client's document into.
constexpr size_t kLevelsAround = 16, kLevels = 32;

absl::StatusOr<Parsed> Parse(const GrammarSpec& spec, const Tokenizer& tokenizer, Expressions& expressions,
                             grammar::WorkBudget& budget) {
  grammar::JsonParts json(expressions);
  Parsed parsed;
  switch (spec.kind) {
    case GrammarSpec::Kind::kJsonObject: parsed.root = json.Object(); break;
    case GrammarSpec::Kind::kJsonSchema: {
      BATUCADA_ASSIGN_OR_RETURN(const boost::json::value schema, ParseJson(spec.text, "the text"));
      BATUCADA_ASSIGN_OR_RETURN(parsed.root,
                                grammar::ReadJsonSchema(schema, grammar::Hold::kAll, expressions, json, budget));
      break;
    }
    case GrammarSpec::Kind::kRegex: {
      BATUCADA_ASSIGN_OR_RETURN(
          const grammar::RegexLanguage language,
          grammar::ReadRegex(spec.text, grammar::RegexMatch::kWhole, expressions,
                             [&](const grammar::CharSet& chars) { return expressions.Chars(chars); }));
      parsed.root = language.expression;
      break;
    }
    case GrammarSpec::Kind::kChoice: {
      std::vector<ExprId> ways;
      for (const std::string& choice : spec.choices) ways.push_back(expressions.Bytes(choice));
      parsed.root = expressions.Choice(std::move(ways));
      break;
    }
    case GrammarSpec::Kind::kStructuralTag: {
      BATUCADA_ASSIGN_OR_RETURN(const boost::json::value tag,
                                ParseNestedJson(spec.text, "the text", kLevels + kLevelsAround));
      BATUCADA_ASSIGN_OR_RETURN(parsed.root, grammar::ReadStructuralTag(tag, tokenizer, expressions, json, budget));
      break;
    }
    case GrammarSpec::Kind::kGbnf: {
      BATUCADA_ASSIGN_OR_RETURN(parsed.root, grammar::ReadGbnf(spec.text, expressions, &parsed.rule_names));
      break;
    }
  }
  return parsed;
}

std::string KeyOf(const GrammarSpec& spec) {
  std::string key = Concat(static_cast<int>(spec.kind), ":", spec.scope.size(), ":", spec.scope, spec.text);
  for (const std::string& choice : spec.choices) absl::StrAppend(&key, choice.size(), ":", choice);
  return key;
}

}  // namespace

bool GrammarMatcher::Accept(int32_t token, int64_t* steps) {
  if (ended_) return false;
  const grammar::Vocabulary& vocabulary = grammar_->machine_.vocabulary();
  if (vocabulary.ends_text(token)) {
    if (!cursor_.accepting()) return false;
    ended_ = true;
    return true;
  }
  const std::string_view bytes = vocabulary.bytes(token);
  lost_ = lost_ || bytes.empty() || !cursor_.Accept(bytes, steps);
  return !lost_;
}

const grammar::Vocabulary& GrammarCompiler::vocabulary() {
  const std::lock_guard lock(mutex_);
  if (vocabulary_ == nullptr) {
    vocabulary_ = std::make_unique<grammar::Vocabulary>(tokenizer_, vocab_size_, end_tokens_);
  }
  return *vocabulary_;
}

absl::StatusOr<std::shared_ptr<const Grammar>> GrammarCompiler::Compile(const GrammarSpec& spec) {
  const std::string key = KeyOf(spec);
  if (key.size() > kMostTextBytes) {
    return absl::InvalidArgumentError(Concat("has ", key.size(), " bytes: at most ", kMostTextBytes));
  }
  const grammar::Vocabulary& words = vocabulary();
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.key == key; });
    if (found != kept_.end()) {
      found->used = std::chrono::steady_clock::now();
      kept_.splice(kept_.begin(), kept_, found);
      return found->grammar;
    }
  }
  Expressions expressions;
  grammar::WorkBudget budget(kCompileSteps);
  BATUCADA_ASSIGN_OR_RETURN(const Parsed parsed, Parse(spec, tokenizer_, expressions, budget));
  BATUCADA_ASSIGN_OR_RETURN(grammar::Network network,
                            grammar::Network::Make(expressions, parsed.root, parsed.rule_names, budget));
  auto made = std::make_shared<const Grammar>(std::move(network), words, memory_);
  // What cannot begin with all its ways is refused now.
  if (const absl::Status begins = GrammarMatcher(made).Begin(); !begins.ok()) {
    return absl::InvalidArgumentError("is too ambiguous: make its alternatives differ earlier");
  }
  const std::lock_guard lock(mutex_);
  kept_.push_front({key, made, std::chrono::steady_clock::now()});
  // What they hold changes as they are used.
  size_t bytes = 0, count = 0;
  auto last = kept_.begin();
  for (; last != kept_.end() && count < kMostKept; ++last, ++count) {
    bytes += last->key.size() + last->grammar->bytes();
    if (bytes > kMostKeptBytes) break;
  }
  kept_.erase(last, kept_.end());
  return made;
}

void GrammarCompiler::ForgetUnused(std::chrono::steady_clock::time_point since) {
  std::list<Kept> forgotten;  // goes when nobody waits for it
  const std::lock_guard lock(mutex_);
  const auto first = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.used < since; });
  forgotten.splice(forgotten.end(), kept_, first, kept_.end());
  if (vocabulary_ != nullptr) vocabulary_->ForgetUnusedSets(since);
}

}  // namespace batucada
