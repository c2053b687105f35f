// Writes JSON straight into a string: for answers, of which there may be one per token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace batucada {

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
  JsonWriter& String(std::string_view text);  // UTF-8
  JsonWriter& Int(int64_t value);
  JsonWriter& Number(float value);  // the shortest decimal that reads back the same; what is not finite becomes -9999
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // a value that is JSON already

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  void Separate();

  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace batucada
