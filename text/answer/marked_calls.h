// Calls that are JSON behind a mark: most families write them so.
//
//   <mark> {…} <end>      <mark> [{…}, {…}] <end>      {…}; {…}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/call_parser.h"
#include "text/answer/json_call.h"

namespace batucada {

struct CallMarks {
  std::vector<std::string> begins;  // any of them begins calls
  std::string end;                  // ends them; empty: nothing does
  bool at_start = false;            // an answer may begin with a call without a mark
  // Where a mark is followed by NAME and then arguments, what stands between the two; empty: they never are.
  std::string behind_name;
};

class MarkedCallParser : public CallParser {
 public:
  // `names`: see JsonCallReader; of calls without a mark.
  MarkedCallParser(CallMarks marks, const std::vector<std::string>* names);

  void Add(std::string_view text, AnswerPieces* out) override;
  void Finish(AnswerPieces* out) override;

 private:
  enum class Place : uint8_t {
    kStart,    // nothing but blanks so far
    kText,     // outside of calls
    kOpening,  // behind a mark
    kName,     // in a name behind a mark
    kCall,     // in the object of a call
    kBehind,   // behind a call
  };
  static constexpr size_t kMostBlanks = 256, kLongestName = 256;

  // Each reads on from the beginning of *text; it stops where another place begins.
  void ReadStart(std::string_view* text);
  void ReadText(std::string_view* text, AnswerPieces* out);
  void ReadOpening(std::string_view* text, AnswerPieces* out);
  void ReadName(std::string_view* text, AnswerPieces* out);
  void ReadCall(std::string_view* text, AnswerPieces* out);
  void ReadBehind(std::string_view* text, AnswerPieces* out);
  void BeginCall();
  // What is held was no call: it is text.
  void GiveUp(AnswerPieces* out);
  size_t MarkLength(std::string_view text) const;  // of the mark that `text` begins with; 0: none
  bool MayBecomeMark(std::string_view text) const;

  const CallMarks marks_;
  const std::vector<std::string>* const names_;
  Place place_;
  std::string held_;       // read, and neither told nor known to be of a call
  std::string unread_;     // to be read again with what follows it
  size_t name_begin_ = 0;  // in held_
  bool marked_ = false, in_list_ = false, called_ = false;
  std::optional<JsonCallReader> call_;
};

}  // namespace batucada
