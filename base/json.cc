#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>

#include "absl/strings/escaping.h"
#include "base/count_bytes.h"
#include "base/decimal.h"
#include "base/int_list.h"
#include "base/json_fault.h"
#include "base/nested_json.h"
#include "base/read_file.h"
#include "base/strings.h"
#include "base/unique_keys.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// Members of all of a document's objects: each costs as much as hundreds of bytes of text.
constexpr size_t kMaxMembers = size_t{1} << 17;
// Beyond these ManyMembers bounds what an object of a stranger's may have. The parser holds each key against those
// before it in its bucket, and the hash has no secret but the low bits of an address: whoever guesses these can put all
// keys of an object into one bucket. No document takes more than 17 million comparisons now, a tenth of a second.
constexpr size_t kFewMembers = 128;

// Ids of tokens, as logit_bias has them, up to a vocabulary of a million: they are too few to meet in a bucket. Of up
// to 131,072 of them about a million pairs do, however they are chosen.
bool IsTokenId(std::string_view key) {
  constexpr size_t kMostDigits = 6;
  return !key.empty() && key.size() <= kMostDigits && (key[0] != '0' || key.size() == 1) &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Builds a value while refusing equal keys, which Boost's own handler resolves silently to the last one, and numbers
// that are none. A checkpoint that names a tensor twice would otherwise be read in a way that depends on the reader.
struct UniqueKeyHandler {
  // NOLINTBEGIN(readability-identifier-naming): Boost's parser asks for these names
  static constexpr size_t max_object_size = bj::object::max_size();
  static constexpr size_t max_array_size = bj::array::max_size();
  static constexpr size_t max_key_size = bj::string::max_size();
  static constexpr size_t max_string_size = bj::string::max_size();
  // NOLINTEND(readability-identifier-naming)

  UniqueKeyHandler(unsigned char* block, size_t bytes) : stack({}, block, bytes) {}

  bj::value_stack stack;
  UniqueKeys keys;
  std::string key;     // the parts of the current key seen so far
  std::string number;  // likewise
  size_t members = 0;  // so far, of all objects
  ManyMembers* many = nullptr;
  std::string problem;   // for which parsing stopped: what the document has
  size_t arrays = 0;     // that are open
  std::string last_key;  // while no array and one object is open: of the member there
  size_t given = 0;      // values of the array that is open, which were not parsed
  ListsApart* apart = nullptr;
  bool kept = false;  // text that was within bounds when it came; of equal keys the last counts

  // All values of the array that has just begun.
  void Give(std::vector<int32_t> values) {
    const bool own_member = arrays == 1 && keys.depth() == 1;
    if (own_member && apart != nullptr && std::count(apart->names.begin(), apart->names.end(), last_key) > 0) {
      apart->lists[last_key] = std::move(values);
      return;
    }
    for (const int32_t value : values) stack.push_int64(value);
    given = values.size();
  }

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_object_begin(bj::error_code&) {
    keys.Open();
    return true;
  }
  bool on_object_end(size_t n, bj::error_code&) {
    keys.Close();
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(bj::error_code&) {
    ++arrays;
    return true;
  }
  bool on_array_end(size_t n, bj::error_code&) {
    --arrays;
    stack.push_array(n + std::exchange(given, 0));
    return true;
  }
  bool on_key_part(bj::string_view s, size_t, bj::error_code&) {
    key.append(s.data(), s.size());
    return true;
  }
  bool on_key(bj::string_view s, size_t, bj::error_code& ec) {
    key.append(s.data(), s.size());
    if (++members > kMaxMembers && !kept) {
      return Stop(Concat("has more than ", kMaxMembers, " members in its objects, which is the most: leave some out"),
                  ec);
    }
    if (keys.size() >= kFewMembers && !IsTokenId(key) && !kept) {
      if (many->left == 0) {
        return Stop(Concat("has too large objects: beyond the first ", kFewMembers, " members of each at most ",
                           ManyMembers().left, " in all, token ids apart: leave some out, or make lists of them"),
                    ec);
      }
      --many->left;
    }
    stack.push_key(key);
    if (!keys.Add(key) && !kept) {
      return Stop(Concat("has the key \"", Printable(key), "\" twice in one object"), ec);
    }
    if (apart != nullptr && keys.depth() == 1 && arrays == 0) last_key = key;
    key.clear();
    return true;
  }
  bool on_string_part(bj::string_view s, size_t, bj::error_code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_string(bj::string_view s, size_t, bj::error_code&) {
    stack.push_string(s);
    return true;
  }
  bool on_number_part(bj::string_view s, bj::error_code&) {
    number.append(s.data(), s.size());
    return true;
  }
  bool on_int64(int64_t i, bj::string_view, bj::error_code&) {
    number.clear();
    stack.push_int64(i);
    return true;
  }
  bool on_uint64(uint64_t u, bj::string_view, bj::error_code&) {
    number.clear();
    stack.push_uint64(u);
    return true;
  }
  // Boost's own value is wrong in the last digits of one number in six.
  bool on_double(double d, bj::string_view s, bj::error_code& ec) {
    number.append(s.data(), s.size());
    std::from_chars(number.data(), number.data() + number.size(), d);  // leaves it where it is out of range
    number.clear();
    if (!std::isfinite(d)) return Stop("has a number that is too large: the largest is about 1.8e308", ec);
    stack.push_double(d);
    return true;
  }
  bool on_bool(bool b, bj::error_code&) {
    stack.push_bool(b);
    return true;
  }
  bool on_null(bj::error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

  bool Stop(std::string what, bj::error_code& ec) {
    problem = std::move(what);
    ec = bj::error::syntax;
    return false;
  }
};

// Whether there are at least so many commas: values, unless they are texts'.
bool HasMany(std::string_view text, size_t least) {
  constexpr size_t kPiece = 4096;
  size_t count = 0;
  for (size_t at = 0; at < text.size() && count < least; at += kPiece) {
    count += static_cast<size_t>(CountBytes(text.substr(at, kPiece), ','));
  }
  return count >= least;
}

// A found value in a message, short: large containers are described, not printed.
std::string Describe(const bj::value& v) {
  switch (v.kind()) {
    case bj::kind::object: return "an object";
    case bj::kind::array: return Concat("a list of ", v.get_array().size());
    case bj::kind::string: return Concat("the string \"", Printable(v.get_string().c_str()), "\"");
    default: return bj::serialize(v);
  }
}

std::string Describe(IntRange range) {
  if (range.max == INT64_MAX) return Concat("an integer of at least ", range.min);
  return Concat("an integer from ", range.min, " to ", range.max);
}

}  // namespace

std::string Printable(std::string_view name) {
  constexpr size_t kLongest = 160;
  const std::string_view shown = name.substr(0, kLongest);
  const absl::string_view bytes(shown.data(), shown.size());
  if (shown.size() < name.size()) return Concat(absl::CHexEscape(bytes), "…");
  // What a query's escapes or a header held may be no UTF-8, and an answer's JSON is nothing else.
  return IsUtf8(shown) ? absl::Utf8SafeCHexEscape(bytes) : absl::CHexEscape(bytes);
}

absl::StatusOr<std::string> ReadTextFile(const std::filesystem::path& path, int64_t max_bytes) {
  return ReadWholeFile(path, max_bytes);
}

namespace {

constexpr size_t kLevels = 32;

absl::StatusOr<bj::value> Parse(std::string_view text, std::string_view what, size_t levels, ListsApart* apart,
                                ManyMembers* left, bool kept = false) {
  // The values of a long list wait on a stack: in one block, and not in ever larger ones. What is not needed of it is
  // never touched.
  constexpr size_t kFew = 1000, kMost = 150'000;
  const bool many = HasMany(text, kFew);
  const size_t bytes = many ? (std::min(text.size() / 2, kMost) + kFew) * sizeof(bj::value) : 0;
  const auto block = std::make_unique_for_overwrite<unsigned char[]>(bytes);
  bj::parse_options options;  // standard JSON
  options.max_depth = levels;
  bj::basic_parser<UniqueKeyHandler> parser(options, block.get(), bytes);
  parser.handler().stack.reset();
  parser.handler().apart = apart;
  parser.handler().many = left;
  parser.handler().kept = kept;
  bj::error_code error;
  size_t parsed = 0;
  const auto parse_to = [&](size_t end) {
    const size_t begin = parsed;
    parsed += parser.write_some(/*more=*/end < text.size(), text.data() + begin, end - begin, error);
    return !error && parsed == end;
  };
  bool more = true;
  while (more && many) {
    std::optional<IntList> list = NextIntList(text, parsed);
    if (!list) break;
    more = parse_to(list->begin);
    if (!more) break;
    parser.handler().Give(std::move(list->values));
    parsed = list->end;
  }
  if (more) parse_to(text.size());
  if (const std::string& problem = parser.handler().problem; error && !problem.empty()) {
    return absl::InvalidArgumentError(Concat(what, " ", problem, ", near byte ", parsed));
  }
  if (error == bj::error::too_deep) {
    return absl::InvalidArgumentError(
        Concat(what, " nests deeper than ", levels, " levels, which is the most, at byte ", parsed, ": use fewer"));
  }
  if (error) return absl::InvalidArgumentError(Concat(what, " ", JsonFault(text, parsed, error)));
  if (parsed < text.size()) {
    return absl::InvalidArgumentError(Concat(what, " has text after its JSON document, at byte ", parsed));
  }
  return parser.handler().stack.release();
}

}  // namespace

absl::StatusOr<bj::value> ParseJson(std::string_view text, std::string_view what, ListsApart* apart) {
  ManyMembers many;
  return Parse(text, what, kLevels, apart, &many);
}

absl::StatusOr<bj::value> ParseJsonFile(std::string_view text, std::string_view what) {
  ManyMembers many = {.left = kMaxMembers};
  return Parse(text, what, kLevels, nullptr, &many);
}

absl::StatusOr<bj::value> ParseKeptJson(std::string_view text, std::string_view what) {
  return Parse(text, what, kLevels, nullptr, nullptr, /*kept=*/true);
}

absl::StatusOr<bj::value> ParseOneOfMany(std::string_view text, std::string_view what, ManyMembers* many) {
  return Parse(text, what, kLevels, nullptr, many);
}

absl::StatusOr<bj::value> ParseNestedJson(std::string_view text, std::string_view what, size_t levels) {
  ManyMembers many;
  return Parse(text, what, levels, nullptr, &many);
}

JsonObject::JsonObject(const bj::value& value, std::string path, absl::Status* first_error)
    : object_(value.if_object()), path_(std::move(path)), first_error_(first_error) {
  if (object_ == nullptr && first_error_->ok()) {
    *first_error_ = absl::InvalidArgumentError(Concat(path_, "expected an object, found ", Describe(value)));
  }
}

const bj::value* JsonObject::Find(std::string_view key) const {
  if (object_ == nullptr) return nullptr;
  const bj::value* found = object_->if_contains(bj::string_view(key.data(), key.size()));
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool JsonObject::Mentions(std::string_view key) const {
  return object_ != nullptr && object_->contains(bj::string_view(key.data(), key.size()));
}

void JsonObject::Fail(std::string_view key, std::string_view problem) const {
  if (first_error_->ok()) *first_error_ = absl::InvalidArgumentError(Concat(path_, Printable(key), " ", problem));
}

void JsonObject::Expected(std::string_view key, const bj::value& found, std::string_view expected) const {
  Fail(key, Concat("is ", Describe(found), ", expected ", expected));
}

int64_t JsonObject::CheckedInt(const bj::value& value, std::string_view key, IntRange range) const {
  const int64_t* number = value.if_int64();
  if (number != nullptr && *number >= range.min && *number <= range.max) return *number;
  Expected(key, value, Describe(range));
  return range.min;
}

int64_t JsonObject::Int(std::string_view key, IntRange range) const {
  if (!Has(key)) Fail(key, Concat("is missing, expected ", Describe(range)));
  return IntOr(key, range.min, range);
}

int64_t JsonObject::IntOr(std::string_view key, int64_t fallback, IntRange range) const {
  const bj::value* value = Find(key);
  return value == nullptr ? fallback : CheckedInt(*value, key, range);
}

double JsonObject::NumberOr(std::string_view key, double fallback, NumberRange range) const {
  const bj::value* value = Find(key);
  if (value == nullptr) return fallback;
  bj::error_code error;
  const double number = value->is_number() ? value->to_number<double>(error) : range.min - 1;
  if (!error && number >= range.min && number <= range.max) return number;
  Expected(key, *value, Concat("a number from ", Decimal(range.min), " to ", Decimal(range.max)));
  return range.min;
}

bool JsonObject::BoolOr(std::string_view key, bool fallback) const {
  const bj::value* value = Find(key);
  if (value == nullptr) return fallback;
  if (const bool* b = value->if_bool()) return *b;
  Expected(key, *value, "true or false");
  return fallback;
}

std::string JsonObject::String(std::string_view key) const {
  if (!Has(key)) Fail(key, "is missing, expected a string");
  return StringOr(key, "");
}

std::string JsonObject::StringOr(std::string_view key, std::string_view fallback) const {
  const bj::value* value = Find(key);
  if (value == nullptr) return std::string(fallback);
  if (const bj::string* s = value->if_string()) return std::string(s->data(), s->size());
  Expected(key, *value, "a string");
  return std::string(fallback);
}

std::vector<int64_t> JsonObject::Ints(std::string_view key, IntRange range, ListForm form) const {
  const bj::value* value = Find(key);
  if (value == nullptr) return {};
  if (form == ListForm::kOneOrMany && value->is_number()) return {CheckedInt(*value, key, range)};
  const bj::array* array = value->if_array();
  if (array == nullptr) {
    Expected(key, *value, form == ListForm::kMany ? "a list of integers" : "an integer or a list of integers");
    return {};
  }
  std::vector<int64_t> result;
  result.reserve(array->size());
  for (size_t i = 0; i < array->size() && ok(); ++i) {
    const bj::value& element = (*array)[i];
    const int64_t* number = element.if_int64();
    if (number == nullptr || *number < range.min || *number > range.max) {
      Expected(Concat(key, "[", i, "]"), element, Describe(range));
      return {};
    }
    result.push_back(*number);
  }
  return result;
}

std::vector<JsonObject> JsonObject::Objects(std::string_view key) const {
  const bj::value* value = Find(key);
  if (value == nullptr) return {};
  const bj::array* array = value->if_array();
  if (array == nullptr ||
      !std::all_of(array->begin(), array->end(), [](const bj::value& v) { return v.is_object(); })) {
    Expected(key, *value, "an object or a list of objects");
    return {};
  }
  std::vector<JsonObject> objects;
  for (const bj::value& element : *array) {
    objects.emplace_back(element, Concat(path_, Printable(key), "[", objects.size(), "]."), first_error_);
  }
  return objects;
}

JsonObject JsonObject::Object(std::string_view key) const {
  static const bj::value kNothing;  // null: the reader of an absent object reads nothing
  const bj::value* value = Find(key);
  if (value == nullptr) Fail(key, "is missing, expected an object");
  if (value != nullptr && !value->is_object()) Expected(key, *value, "an object");
  return JsonObject(value == nullptr ? kNothing : *value, Concat(path_, Printable(key), "."), first_error_);
}

}  // namespace batucada
