// What a model's answer is made of, piece by piece: text for the reader, thinking before it, calls of tools.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace batucada {

struct AnswerPiece {
  enum class Kind : uint8_t {
    kText,
    kThinking,
    kCall,       // a call begins; text: the tool's name
    kArguments,  // of the call that began last; text: the next of its arguments, as JSON
  };
  Kind kind = Kind::kText;
  std::string text;
};

// Pieces in their order; text that goes on from the last piece is added to it.
class AnswerPieces {
 public:
  void Add(AnswerPiece::Kind kind, std::string_view text) {
    if (text.empty() && kind != AnswerPiece::Kind::kCall) return;
    if (!pieces_.empty() && pieces_.back().kind == kind && kind != AnswerPiece::Kind::kCall) {
      pieces_.back().text += text;
    } else {
      pieces_.push_back({kind, std::string(text)});
    }
  }
  std::vector<AnswerPiece> Take() { return std::exchange(pieces_, {}); }
  bool empty() const { return pieces_.empty(); }

 private:
  std::vector<AnswerPiece> pieces_;
};

}  // namespace batucada
