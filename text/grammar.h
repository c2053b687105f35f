// What a text may be: a JSON Schema, a regular expression, a grammar or a choice of texts, made into something that
// says of every token whether it may come next.
//
// The engine is this project's own: text/grammar/expression.h (what is allowed) is made into a Network (states over
// bytes, rules as calls), which a Machine runs, making states and masks as they are needed. docs/architecture.md says
// why.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/grammar/machine.h"
#include "text/tokenizer.h"

namespace batucada {

struct GrammarSpec {
  enum class Kind : uint8_t {
    kJsonObject,     // any JSON object
    kJsonSchema,     // text: the schema
    kRegex,          // text: the whole answer matches it
    kChoice,         // choices: the answer is one of them
    kGbnf,           // text: the grammar
    kStructuralTag,  // text: parts of different kinds, see grammar/structural_tag.h
  };
  Kind kind = Kind::kJsonObject;
  std::string text;
  std::vector<std::string> choices;
  std::string name;       // of the request's parameter, for errors
  std::string scope;      // whoever asks in another compiles it anew, and cannot tell from the time who else did
  bool or_calls = false;  // where there are tools, the answer may be calls of them instead
};

// Immutable but for what it remembers; thread-safe. What it refers to outlives it.
class Grammar {
 public:
  // Made by GrammarCompiler.
  Grammar(grammar::Network network, const grammar::Vocabulary& vocabulary,
          std::shared_ptr<grammar::MachineMemory> memory)
      : machine_(std::move(network), vocabulary, std::move(memory)) {}
  size_t bytes() const { return machine_.bytes(); }

 private:
  friend class GrammarMatcher;
  mutable grammar::Machine machine_;
};

// One text on its way. Used by one thread at a time.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar)
      : grammar_(std::move(grammar)), cursor_(grammar_->machine_) {}

  // RESOURCE_EXHAUSTED: the grammar is too ambiguous to begin with all its ways.
  [[nodiscard]] absl::Status Begin() { return cursor_.Begin(); }
  // The tokens that may come next: bit id % 32 of word id / 32, [ceil(vocab / 32)]; of a grammar too ambiguous for
  // `steps`, from which the work is taken, a part of them. RESOURCE_EXHAUSTED: not even that is to be had.
  [[nodiscard]] absl::Status Mask(std::span<uint32_t> words, int64_t* steps) {
    if (lost_) return absl::ResourceExhaustedError("the grammar is too ambiguous to be followed any further");
    return cursor_.Mask(words, steps);
  }
  // The same with as many steps as a mask may take.
  [[nodiscard]] absl::Status Mask(std::span<uint32_t> words) {
    int64_t steps = grammar::Machine::kMaskSteps;
    return Mask(words, &steps);
  }
  // Goes on; false if the token may not come: then no mask is to be had any more. The work is taken from `steps`.
  bool Accept(int32_t token, int64_t* steps);
  bool Accept(int32_t token) {
    int64_t steps = grammar::Machine::kMaskSteps;
    return Accept(token, &steps);
  }
  // The text has ended, or nothing can follow it.
  bool finished() const { return ended_ || (cursor_.dead_end() && cursor_.accepting()); }

 private:
  std::shared_ptr<const Grammar> grammar_;
  grammar::Machine::Cursor cursor_;
  bool ended_ = false;
  bool lost_ = false;
};

// Makes grammars and keeps those used lately. Thread-safe.
class GrammarCompiler {
 public:
  // `vocab_size`: ids that the model has. `end_tokens` end its texts. The tokenizer outlives this and what it makes.
  GrammarCompiler(const Tokenizer& tokenizer, int32_t vocab_size, std::vector<int32_t> end_tokens)
      : tokenizer_(tokenizer), vocab_size_(vocab_size), end_tokens_(std::move(end_tokens)) {}

  // INVALID_ARGUMENT says what is not supported, with its place, what is wrong or what is too large. It takes time in
  // proportion to the text, within a bound of steps.
  absl::StatusOr<std::shared_ptr<const Grammar>> Compile(const GrammarSpec& spec);

  // Lets go of grammars, and of sets of tokens that they share, that were used last before `since`: after a flood
  // memory goes back.
  void ForgetUnused(std::chrono::steady_clock::time_point since);

 private:
  struct Kept {
    std::string key;
    std::shared_ptr<const Grammar> grammar;
    std::chrono::steady_clock::time_point used;
  };
  static constexpr size_t kMostKept = 64;                     // grammars
  static constexpr size_t kMostKeptBytes = size_t{96} << 20;  // of them
  static constexpr size_t kMostTextBytes = size_t{1} << 19;   // of a spec

  const grammar::Vocabulary& vocabulary();

  const Tokenizer& tokenizer_;
  const int32_t vocab_size_;
  const std::vector<int32_t> end_tokens_;
  std::mutex mutex_;                                       // guards what follows
  std::unique_ptr<const grammar::Vocabulary> vocabulary_;  // made when first needed
  std::list<Kept> kept_;                                   // used last first
  const std::shared_ptr<grammar::MachineMemory> memory_ = std::make_shared<grammar::MachineMemory>();
};

}  // namespace batucada
