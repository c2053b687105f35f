#include "text/grammar/structural_tag.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/free_text.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/regex.h"
#include "text/grammar/schema_flatten.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int kMaxTagDepth = 32;

using Texts = std::vector<std::string>;

class TagReader {
 public:
  TagReader(const Tokenizer& tokenizer, Expressions& expressions, JsonParts& json, WorkBudget& budget)
      : tokenizer_(tokenizer), e_(expressions), json_(json), budget_(budget) {}

  // `ends`: what free text in it does not hold.
  absl::StatusOr<ExprId> Read(const bj::value& format, const std::string& path, const Texts& ends, int depth = 0) {
    if (depth > kMaxTagDepth) return Refused(path, "is nested too deeply");
    if (!budget_.Spend(20))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    if (!format.is_object()) return Refused(path, "must be an object with a type");
    const bj::object& object = format.get_object();
    BATUCADA_ASSIGN_OR_RETURN(const std::string type, String(object, "type", path));
    if (type == "const_string") {
      BATUCADA_ASSIGN_OR_RETURN(const std::string value, String(object, "value", path));
      return Exactly(value, Below(path, "value"));
    }
    if (type == "json_schema") return Inside(object, "json_schema", path);
    if (type == "regex") return Inside(object, "pattern", path);
    if (type == "grammar") return Inside(object, "grammar", path);
    if (type == "any_text") {
      BATUCADA_ASSIGN_OR_RETURN(Texts excludes, Strings(object, "excludes", path, Presence::kOptional));
      return AnyText(std::move(excludes), ends, path);
    }
    if (type == "sequence" || type == "or") return ReadList(object, type, path, ends, depth);
    if (type == "optional" || type == "star" || type == "plus") {
      BATUCADA_ASSIGN_OR_RETURN(const ExprId content, ReadContent(object, path, ends, depth));
      if (type == "optional") return e_.Optional(content);
      return e_.Repeat(content, type == "plus" ? 1 : 0, kUnbounded);
    }
    if (type == "tag") {
      BATUCADA_ASSIGN_OR_RETURN(const std::string begin, String(object, "begin", path));
      BATUCADA_ASSIGN_OR_RETURN(const ExprId opened, Exactly(begin, Below(path, "begin")));
      BATUCADA_ASSIGN_OR_RETURN(const ExprId rest, ReadTag(object, path, depth));
      return e_.Sequence({opened, rest});
    }
    if (type == "triggered_tags") return ReadTriggered(object, path, ends, depth);
    if (type == "tags_with_separator") return ReadSeparated(object, path, ends, depth);
    return Refused(Below(path, "type"),
                   "must be one of const_string, json_schema, regex, grammar, any_text, sequence, or, optional, star, "
                   "plus, tag, triggered_tags, tags_with_separator");
  }

 private:
  enum class Presence : uint8_t { kRequired, kOptional };

  static const bj::value* Find(const bj::object& object, std::string_view name) {
    const bj::value* found = object.if_contains({name.data(), name.size()});
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  static absl::StatusOr<std::string> String(const bj::object& object, std::string_view name, const std::string& path) {
    const bj::value* value = Find(object, name);
    if (value == nullptr || !value->is_string()) return Refused(Below(path, name), "must be a string");
    return std::string(value->get_string().data(), value->get_string().size());
  }

  static absl::StatusOr<bool> Flag(const bj::object& object, std::string_view name, const std::string& path) {
    const bj::value* value = Find(object, name);
    if (value == nullptr) return false;
    if (!value->is_bool()) return Refused(Below(path, name), "must be true or false");
    return value->get_bool();
  }

  // One string, or a list of them.
  static absl::StatusOr<Texts> Strings(const bj::object& object, std::string_view name, const std::string& path,
                                       Presence presence) {
    const bj::value* value = Find(object, name);
    if (value == nullptr && presence == Presence::kOptional) return Texts();
    const std::string at = Below(path, name);
    if (value == nullptr) return Refused(at, "must be a list of strings");
    if (const bj::string* one = value->if_string()) return Texts{std::string(one->data(), one->size())};
    if (!value->is_array()) return Refused(at, "must be a list of strings");
    Texts texts;
    for (const bj::value& one : value->get_array()) {
      if (!one.is_string()) return Refused(at, "must be a list of strings");
      texts.emplace_back(one.get_string().data(), one.get_string().size());
    }
    return texts;
  }

  static absl::StatusOr<const bj::array*> List(const bj::object& object, std::string_view name,
                                               const std::string& path) {
    const bj::value* value = Find(object, name);
    if (value == nullptr || !value->is_array() || value->get_array().empty()) {
      return Refused(Below(path, name), "must be a list of at least one");
    }
    return &value->get_array();
  }

  absl::StatusOr<ExprId> Exactly(const std::string& text, const std::string& path) {
    if (!budget_.Spend(static_cast<int64_t>(text.size())))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    if (FindInvalidUtf8(text).has_value()) return Refused(path, "is not UTF-8");
    return Literal(text, tokenizer_, e_);
  }

  // A schema, a regular expression or a grammar.
  absl::StatusOr<ExprId> Inside(const bj::object& object, std::string_view name, const std::string& path) {
    const std::string at = Below(path, name);
    const auto placed = [&at](const absl::Status& status) {
      return absl::InvalidArgumentError(Concat(at, ": ", status.message()));
    };
    if (name == "json_schema") {
      const bj::value* schema = Find(object, name);
      if (schema == nullptr) return Refused(at, "is missing");
      BATUCADA_ASSIGN_OR_RETURN(const bool best_effort, Flag(object, "best_effort", path));
      const Hold hold = best_effort ? Hold::kBestEffort : Hold::kAll;
      absl::StatusOr<ExprId> read = ReadJsonSchema(*schema, hold, e_, json_, budget_);
      return read.ok() ? read : placed(read.status());
    }
    BATUCADA_ASSIGN_OR_RETURN(const std::string text, String(object, name, path));
    if (name == "pattern") {
      const absl::StatusOr<RegexLanguage> read =
          ReadRegex(text, RegexMatch::kWhole, e_, [this](const CharSet& chars) { return e_.Chars(chars); });
      if (!read.ok()) return placed(read.status());
      return read->expression;
    }
    std::vector<std::string> names;
    absl::StatusOr<ExprId> read = ReadGbnf(text, e_, &names);
    return read.ok() ? read : placed(read.status());
  }

  // Charges for the words' automaton, or says what is wrong with them.
  absl::Status CheckWords(const Texts& words, const std::string& path) {
    size_t bytes = 0;
    for (const std::string& word : words) {
      if (word.empty()) return Refused(path, "has an empty string");
      if (FindInvalidUtf8(word).has_value()) return Refused(path, "is not UTF-8");
      bytes += word.size();
    }
    if (bytes > kMostWordBytes) return Refused(path, Concat("has more than ", kMostWordBytes, " bytes of words"));
    if (!budget_.Spend(static_cast<int64_t>(bytes) * 64))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    return absl::OkStatus();
  }

  absl::StatusOr<ExprId> AnyText(Texts excludes, const Texts& ends, const std::string& path) {
    excludes.insert(excludes.end(), ends.begin(), ends.end());
    BATUCADA_RETURN_IF_ERROR(CheckWords(excludes, Below(path, "excludes")));
    std::vector<Word> words;
    for (std::string& text : excludes) words.push_back({.text = std::move(text)});
    return FreeText(words, TextEnd::kAnywhere, tokenizer_, e_);
  }

  absl::StatusOr<ExprId> ReadContent(const bj::object& object, const std::string& path, const Texts& ends, int depth) {
    const bj::value* content = Find(object, "content");
    if (content == nullptr) return Refused(Below(path, "content"), "is missing");
    return Read(*content, Below(path, "content"), ends, depth + 1);
  }

  // What follows the beginning of a tag.
  absl::StatusOr<ExprId> ReadTag(const bj::object& tag, const std::string& path, int depth) {
    BATUCADA_ASSIGN_OR_RETURN(const Texts ends, Strings(tag, "end", path, Presence::kRequired));
    Texts words;
    std::copy_if(ends.begin(), ends.end(), std::back_inserter(words), [](const std::string& s) { return !s.empty(); });
    BATUCADA_ASSIGN_OR_RETURN(const ExprId content, ReadContent(tag, path, words, depth));
    std::vector<ExprId> ways;
    for (const std::string& end : ends) {
      BATUCADA_ASSIGN_OR_RETURN(const ExprId way, Exactly(end, Below(path, "end")));
      ways.push_back(way);
    }
    return e_.Sequence({content, e_.Choice(std::move(ways))});
  }

  absl::StatusOr<ExprId> ReadList(const bj::object& object, const std::string& type, const std::string& path,
                                  const Texts& ends, int depth) {
    BATUCADA_ASSIGN_OR_RETURN(const bj::array* elements, List(object, "elements", path));
    std::vector<ExprId> parts;
    for (size_t i = 0; i < elements->size(); ++i) {
      BATUCADA_ASSIGN_OR_RETURN(const ExprId part,
                                Read((*elements)[i], Concat(Below(path, "elements"), "[", i, "]"), ends, depth + 1));
      parts.push_back(part);
    }
    return type == "or" ? e_.Choice(std::move(parts)) : e_.Sequence(std::move(parts));
  }

  // {begin, what follows} of each tag.
  absl::StatusOr<std::vector<std::pair<std::string, ExprId>>> ReadTags(const bj::object& object,
                                                                       const std::string& path, int depth) {
    BATUCADA_ASSIGN_OR_RETURN(const bj::array* tags, List(object, "tags", path));
    std::vector<std::pair<std::string, ExprId>> read;
    for (size_t i = 0; i < tags->size(); ++i) {
      const std::string at = Concat(Below(path, "tags"), "[", i, "]");
      if (!(*tags)[i].is_object()) return Refused(at, "must be a tag");
      const bj::object& tag = (*tags)[i].get_object();
      BATUCADA_ASSIGN_OR_RETURN(std::string begin, String(tag, "begin", at));
      BATUCADA_ASSIGN_OR_RETURN(const ExprId rest, ReadTag(tag, at, depth + 1));
      read.emplace_back(std::move(begin), rest);
    }
    return read;
  }

  absl::StatusOr<ExprId> ReadTriggered(const bj::object& object, const std::string& path, const Texts& ends,
                                       int depth) {
    BATUCADA_ASSIGN_OR_RETURN(const Texts triggers, Strings(object, "triggers", path, Presence::kRequired));
    BATUCADA_ASSIGN_OR_RETURN(const auto tags, ReadTags(object, path, depth));
    BATUCADA_ASSIGN_OR_RETURN(const bool at_least_one, Flag(object, "at_least_one", path));
    BATUCADA_ASSIGN_OR_RETURN(const bool stop_after_first, Flag(object, "stop_after_first", path));
    BATUCADA_ASSIGN_OR_RETURN(Texts excludes, Strings(object, "excludes", path, Presence::kOptional));
    excludes.insert(excludes.end(), ends.begin(), ends.end());
    Texts all = triggers;
    all.insert(all.end(), excludes.begin(), excludes.end());
    BATUCADA_RETURN_IF_ERROR(CheckWords(all, Below(path, "triggers")));
    if (triggers.empty()) return Refused(Below(path, "triggers"), "must be a list of at least one");
    std::vector<Word> words;
    std::vector<bool> used(tags.size());
    for (const std::string& trigger : triggers) {
      std::vector<ExprId> ways;
      for (size_t i = 0; i < tags.size(); ++i) {
        if (used[i] || !tags[i].first.starts_with(trigger)) continue;
        used[i] = true;
        BATUCADA_ASSIGN_OR_RETURN(const ExprId begun, Exactly(tags[i].first.substr(trigger.size()), path));
        ways.push_back(e_.Sequence({begun, tags[i].second}));
      }
      words.push_back({.text = trigger, .behind = e_.Choice(std::move(ways))});
    }
    const auto unused = std::find(used.begin(), used.end(), false);
    if (unused != used.end()) {
      return Refused(Concat(Below(path, "tags"), "[", unused - used.begin(), "].begin"), "begins with no trigger");
    }
    const auto text = [&](TextEnd end, ExprId then) {
      std::vector<Word> led = words;
      for (Word& word : led) word.behind = e_.Sequence({word.behind, then});
      for (const std::string& excluded : excludes) led.push_back({.text = excluded});
      return FreeText(led, end, tokenizer_, e_);
    };
    const RuleId more = e_.NewRule();  // what follows the first tag
    const ExprId rest = stop_after_first ? kEmptyText : e_.Reference(more);
    if (!stop_after_first) e_.Define(more, text(TextEnd::kAnywhere, rest));
    if (!stop_after_first && !at_least_one) return rest;
    return text(at_least_one ? TextEnd::kBehindAWord : TextEnd::kAnywhere, rest);
  }

  absl::StatusOr<ExprId> ReadSeparated(const bj::object& object, const std::string& path, const Texts& ends,
                                       int depth) {
    static_cast<void>(ends);
    BATUCADA_ASSIGN_OR_RETURN(const auto tags, ReadTags(object, path, depth));
    BATUCADA_ASSIGN_OR_RETURN(const std::string separator, String(object, "separator", path));
    BATUCADA_ASSIGN_OR_RETURN(const bool at_least_one, Flag(object, "at_least_one", path));
    BATUCADA_ASSIGN_OR_RETURN(const bool stop_after_first, Flag(object, "stop_after_first", path));
    std::vector<ExprId> ways;
    for (const auto& [begin, rest] : tags) {
      BATUCADA_ASSIGN_OR_RETURN(const ExprId begun, Exactly(begin, path));
      ways.push_back(e_.Sequence({begun, rest}));
    }
    const RuleId rule = e_.NewRule();
    e_.Define(rule, e_.Choice(std::move(ways)));
    const ExprId one = e_.Reference(rule);
    BATUCADA_ASSIGN_OR_RETURN(const ExprId between, Exactly(separator, Below(path, "separator")));
    const ExprId more = stop_after_first ? kEmptyText : e_.Repeat(e_.Sequence({between, one}), 0, kUnbounded);
    const ExprId some = e_.Sequence({one, more});
    return at_least_one ? some : e_.Optional(some);
  }

  const Tokenizer& tokenizer_;
  Expressions& e_;
  JsonParts& json_;
  WorkBudget& budget_;
};

// The older form in the newer one.
absl::StatusOr<bj::value> FromStructures(const bj::object& tag) {
  const bj::value* structures = tag.if_contains("structures");
  const bj::value* triggers = tag.if_contains("triggers");
  if (structures == nullptr || !structures->is_array() || triggers == nullptr) {
    return Refused("$", "must have a format, or structures and triggers");
  }
  bj::array tags;
  for (const bj::value& one : structures->get_array()) {
    const bj::object* object = one.if_object();
    if (object == nullptr || !object->contains("begin") || !object->contains("end") || !object->contains("schema")) {
      return Refused(Concat("$.structures[", tags.size(), "]"), "must have begin, schema and end");
    }
    const bj::object content = {{"type", "json_schema"}, {"json_schema", object->at("schema")}};
    tags.push_back({{"type", "tag"}, {"begin", object->at("begin")}, {"content", content}, {"end", object->at("end")}});
  }
  return bj::value{{"type", "triggered_tags"}, {"triggers", *triggers}, {"tags", std::move(tags)}};
}

}  // namespace

absl::StatusOr<ExprId> ReadStructuralTag(const bj::value& tag, const Tokenizer& tokenizer, Expressions& expressions,
                                         JsonParts& json, WorkBudget& budget) {
  const bj::object* object = tag.if_object();
  if (object == nullptr) return Refused("$", "must be an object");
  TagReader reader(tokenizer, expressions, json, budget);
  if (const bj::value* format = object->if_contains("format")) return reader.Read(*format, "$.format", {});
  BATUCADA_ASSIGN_OR_RETURN(const bj::value format, FromStructures(*object));
  return reader.Read(format, "$", {});
}

}  // namespace batucada::grammar
