// The calls of an answer as they are told, and whether the last one is whole: a stop string ends a text anywhere.
#pragma once

#include <cstdint>
#include <string_view>

namespace batucada {

class ToldCalls {
 public:
  void Begin() { *this = ToldCalls(count_ + 1); }
  // Of the call that began last, the next of its arguments.
  void AddArguments(std::string_view json) {
    for (const char c : json) Add(c);
  }

  int64_t count() const { return count_; }
  // Whether there is a call, and the last one's arguments are an object from its first bracket to its last.
  bool whole() const { return count_ > 0 && opened_ && depth_ == 0; }

  ToldCalls() = default;

 private:
  explicit ToldCalls(int64_t count) : count_(count) {}

  void Add(char c) {
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
      return;
    }
    in_string_ = c == '"';
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') --depth_;
    opened_ = opened_ || depth_ > 0;
  }

  int64_t count_ = 0, depth_ = 0;
  bool opened_ = false, in_string_ = false, escaped_ = false;
};

}  // namespace batucada
