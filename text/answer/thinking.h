// What a model thinks before it answers, told from the answer by the marks that its family puts around it.
//
// Blanks next to the marks go with them: templates put their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/answer_piece.h"

namespace batucada {

// In the order of ThinkingFormatNames.
enum class ThinkingFormat : uint8_t {
  kAuto,  // the template's: see FindThinkingFormat
  kNone,  // thinking stays text
  kDeepSeekR1,
  kQwen3,
  kMistral,
  kGranite,
  kSeedOss,
};

// As vLLM's --reasoning-parser has them.
std::vector<std::string> ThinkingFormatNames();

struct ThinkingMarks {
  std::string begin, end;
};

// REQUIRES: neither kAuto nor kNone.
const ThinkingMarks& MarksOf(ThinkingFormat format);

// What the source of a template speaks of; kNone: nothing that is known here.
ThinkingFormat FindThinkingFormat(std::string_view source);

// Where an answer begins.
enum class ThinkingStart : uint8_t {
  kOver,    // in the answer: there is no thinking
  kOpen,    // the model may think, behind a mark of its own
  kInside,  // in the thinking: the prompt opened it
};

// `own_words`: of the model, which it is to go on from.
ThinkingStart FindThinkingStart(const ThinkingMarks& marks, std::string_view prompt, std::string_view own_words);

// Used by one thread at a time. Time in proportion to the text.
class ThinkingSplitter {
 public:
  ThinkingSplitter(ThinkingMarks marks, ThinkingStart start);

  // The thinking goes to `out`; what this returns is the answer's.
  std::string Add(std::string_view text, AnswerPieces* out);
  std::string Finish(AnswerPieces* out);
  bool inside() const { return place_ == Place::kThinking; }
  bool over() const { return place_ == Place::kAnswer; }

 private:
  enum class Place : uint8_t { kOpen, kThinking, kGap, kAnswer };  // kGap: in the blanks behind the end
  static constexpr size_t kMostBlanks = 256;

  const ThinkingMarks marks_;
  Place place_;
  bool thought_ = false;  // something is told of the thinking
  std::string held_;
};

}  // namespace batucada
