// What the tests of this room share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "text/utf8.h"

namespace batucada {

inline std::string SourcePath(const std::string& path) { return std::string(BATUCADA_SOURCE_DIR) + "/" + path; }

inline std::string ReadFileOrDie(const std::string& path) {
  std::ifstream file(SourcePath(path), std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline int Below(int limit, std::mt19937* random) {
  return static_cast<int>((*random)() % static_cast<uint32_t>(limit));
}

// Valid UTF-8 of every length of character, with many of the characters on which tokenizers decide.
inline std::string RandomText(int characters, std::mt19937* random) {
  static constexpr char32_t kTelling[] = {U' ',   U' ',   U' ',   U'\n',  U'\t', U'\r',  U'\'',    U's',   U't',
                                          U'.',   U'!',   U'1',   U'9',   U'a',  U'b',   U'Z',     U'<',   U'|',
                                          U'>',   0xA0,   0x85,   0xE9,   0x301, 0x2581, 0x3000,   0x4E2D, 0x1F600,
                                          0x180E, 0x200D, 0x200B, 0xFFFD, 0x130, 0x17F,  0x10FFFF, 0xB2,   0x661};
  std::string text;
  for (int i = 0; i < characters; ++i) {
    char32_t c = kTelling[Below(std::size(kTelling), random)];
    if (Below(4, random) == 0) {
      do c = static_cast<char32_t>(Below(0x110000, random) >> Below(21, random));
      while (c >= 0xD800 && c < 0xE000);
    }
    AppendUtf8(c, &text);
  }
  return text;
}

}  // namespace batucada
