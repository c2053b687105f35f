// Texts that are hard for one stage or another of a tokenizer, of any length.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/text/test_util.h"

namespace batucada {

struct Shape {
  std::string name;
  std::function<std::string(size_t bytes)> make;  // valid UTF-8 of about so many bytes
};

inline std::string Repeated(std::string_view unit, size_t bytes) {
  std::string text;
  text.reserve(bytes + unit.size());
  while (text.size() < bytes) text += unit;
  return text;
}

inline std::vector<Shape> WorstShapes() {
  std::vector<Shape> shapes;
  const auto repeat = [&](std::string name, std::string unit) {
    shapes.push_back({std::move(name), [unit](size_t bytes) { return Repeated(unit, bytes); }});
  };
  // Two halves: what the first begins only the end of the second decides.
  const auto halves = [&](std::string name, std::string first, std::string second) {
    shapes.push_back({std::move(name), [first, second](size_t bytes) {
                        return Repeated(first, bytes / 2) + Repeated(second, bytes / 2);
                      }});
  };
  repeat("letters", "a");
  repeat("capitals", "A");
  repeat("words", "a b ");
  repeat("digits", "1");
  repeat("stops", ".");
  repeat("quotes", "'");
  repeat("contractions", "'s");
  repeat("spaces", " ");
  repeat("tabs", "\t");
  repeat("lines", "\n");
  repeat("spaced lines", " \n");
  repeat("returns", "\r\n");
  repeat("wide spaces", "\u3000");
  repeat("word marks", "\u2581");
  repeat("marked words", "\u2581a");
  repeat("accents", "\u00E9");
  repeat("marks", "\u0301");
  repeat("marks in turn", "\u0301\u0316");
  repeat("marked letters", "a\u0316\u0301");
  repeat("modifier letters", "\u02B0");
  repeat("joiners", "\u200D");
  repeat("ideographs", "\u4E2D");
  repeat("jamo", "\u1100\u1161\u11A8");
  repeat("leading jamo", "\u1100");
  repeat("emoji", "\U0001F600");
  repeat("ligatures of eighteen", "\uFDFA");
  repeat("dotted capital I", "\u0130");
  repeat("angles", "<");
  repeat("beginnings of special tokens", "<|begin_of_");
  repeat("special tokens", "<s>");
  repeat("spaced special tokens", "<mask> ");
  repeat("added words", "Tea");
  repeat("byte tokens", "<0x0A>");
  repeat("zeros", std::string(1, '\0'));
  halves("marks in descending order", "\u0301", "\u0316");
  halves("spaces and a letter", " ", "x");
  halves("letters and a stop", "a", ".");
  halves("lines and spaces", "\n", " ");
  shapes.push_back({"noise", [](size_t bytes) {
                      std::mt19937 random(1);
                      return RandomText(static_cast<int>(bytes / 2), &random);
                    }});
  return shapes;
}

}  // namespace batucada
