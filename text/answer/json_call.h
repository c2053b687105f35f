// A call of a tool as a JSON object, {"name": …, "arguments": {…}}, read as it comes: the name is told once it is
// whole, then the arguments, character by character as the model writes them.
//
// Models name the arguments "arguments" or "parameters", put them before or behind the name, write them as an object or
// as a text that holds one, and some put all of it into a member "function". Other members are passed over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/answer_piece.h"

namespace batucada {

// A JSON string as its characters come.
class JsonUnescaper {
 public:
  // The next character behind the opening quote; false: it was the closing one. Escapes that mean nothing stay as they
  // are.
  bool Push(char c, std::string* out);

 private:
  bool escaped_ = false;
  int hex_left_ = 0;
  uint32_t hex_ = 0, high_ = 0;  // high_: the first of a pair of surrogates
};

// Used by one thread at a time.
class JsonCallReader {
 public:
  enum class State : uint8_t { kReading, kDone, kBroken };

  // `names`: a call of another tool is none; null: any may be called. Outlives this.
  explicit JsonCallReader(const std::vector<std::string>* names) : names_(names) {}

  // Reads on from the beginning of *text and takes off what it has read. kDone: the object is whole. kBroken: what is
  // left is no part of it.
  State Add(std::string_view* text, AnswerPieces* out);

  // The call's name is known: what comes is its arguments alone. First of all.
  void BeginNamed(std::string_view name, AnswerPieces* out);

  // Whether the call has been told; from then on it is one, however it ends.
  bool begun() const { return begun_; }
  // Before that: all that was read.
  const std::string& unread() const { return raw_; }

 private:
  enum class Place : uint8_t { kOpen, kKey, kInKey, kColon, kValue, kInName, kInOther, kInArguments, kInText, kBehind };
  static constexpr size_t kMostHeld = 64 << 10;  // bytes

  State Push(char c, AnswerPieces* out);
  State BeginValue(char c, AnswerPieces* out);
  // One character of a value of any kind; true: it was the last. *before: the one before it was.
  bool PassValue(char c, bool* before);
  State EndMember();
  State Close(AnswerPieces* out);
  State Begin(AnswerPieces* out);
  void AddArguments(std::string_view text, AnswerPieces* out);

  const std::vector<std::string>* const names_;
  Place place_ = Place::kOpen;
  int objects_ = 0;  // open around the members: the call's, and a "function" in it
  std::string key_, name_, arguments_;
  bool has_name_ = false, has_arguments_ = false, begun_ = false, needs_member_ = false;
  JsonUnescaper unescaper_;
  int depth_ = 0;  // of brackets in a value
  bool in_string_ = false, escaped_ = false, scalar_ = false;
  std::string raw_;
};

}  // namespace batucada
