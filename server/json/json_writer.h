// Writes JSON straight into a string: for answers, of which there may be one per token. It is one line to all who read
// it, also to those who end lines where Unicode does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/json/pieces.h"

namespace batucada {

// As much of `text` as `most` bytes have room for, up to a character's end.
std::string_view CutAtCharacter(std::string_view text, size_t most);

// Puts the commas; the caller balances Begin and End and writes a Key before every member of an object.
class JsonWriter {
 public:
  // Appends to `out`, which outlives this.
  explicit JsonWriter(std::string* out) : out_(*out) {}

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view name);
  // A literal, which needs no escape.
  template <size_t kSize>
  JsonWriter& Key(const char (&name)[kSize]) {
    return PlainKey({name, kSize - 1});
  }
  JsonWriter& String(std::string_view text);  // UTF-8
  // The same for a text that comes, or goes, in parts; between them a writer of pieces may stop.
  JsonWriter& BeginString();
  JsonWriter& AddToString(std::string_view part);
  JsonWriter& EndString();
  Pieces LongString(std::string_view text);  // which outlives the pieces
  static bool IsLong(std::string_view text) { return text.size() > kPartBytes; }
  JsonWriter& Int(int64_t value);
  JsonWriter& Number(float value);  // the shortest decimal that reads back the same; what is not finite becomes -9999
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // a value that is JSON already
  // The beginning of a document as another writer left it: up to where a first member or element may follow.
  JsonWriter& Begin(std::string_view json);

  // Whether so much is written that a writer of pieces had better stop: whoever made `out` sends it away and goes on.
  bool full() const { return out_.size() >= kFullBytes; }

 private:
  static constexpr size_t kFullBytes = 32 << 10, kPartBytes = 4 << 10;
  JsonWriter& PlainKey(std::string_view name);
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  void Separate() {
    if (need_comma_) out_ += ',';
    need_comma_ = true;
  }

  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace batucada
