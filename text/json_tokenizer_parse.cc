// Reads tokenizer.json into the parts of a JsonTokenizer. See json_tokenizer.h for what is supported and bounded.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/byte_level.h"
#include "text/decoder.h"
#include "text/json_cursor.h"
#include "text/json_text.h"
#include "text/json_tokenizer.h"
#include "text/post_processor.h"

namespace batucada {
namespace {

constexpr size_t kMaxAddedTokens = 1 << 16;
constexpr size_t kMaxTokenBytes = 4096;
constexpr size_t kMaxAddedBytes = size_t{4} << 20;  // of all added tokens
constexpr size_t kLoadedText = size_t{4} << 20;  // about the text of the largest vocabularies, for RegexScratch::Begin
constexpr size_t kMaxTableBytes = size_t{1} << 30;  // all that the decoder makes of all tokens

using Ids = StringMap<int32_t>;  // by spelling

// The model's vocabulary: ids in range and unique. Reports what is wrong through the cursor.
Ids ParseVocabulary(const JsonCursor& json) {
  Ids ids;
  const boost::json::object* vocabulary = json.AsObject();
  if (vocabulary == nullptr) return ids;
  if (vocabulary->size() > JsonTokenizer::kMaxVocabulary) {
    json.Fail(Concat(vocabulary->size(), " tokens, more than the ", JsonTokenizer::kMaxVocabulary, " allowed"));
    return ids;
  }
  ids.reserve(vocabulary->size());
  absl::flat_hash_map<int32_t, std::string_view> spelling_of;
  spelling_of.reserve(vocabulary->size());
  for (const auto& member : *vocabulary) {
    const std::string_view spelling(member.key().data(), member.key().size());
    const int64_t* id = member.value().if_int64();
    if (id == nullptr || *id < 0 || *id >= JsonTokenizer::kMaxVocabulary) {
      json.Fail(Concat("token ", Quoted(spelling), ": its id must be a whole number from 0 to ",
                       JsonTokenizer::kMaxVocabulary - 1, ", found ", Quoted(boost::json::serialize(member.value()))));
      return ids;
    }
    if (spelling.size() > kMaxTokenBytes) {
      json.Fail(Concat("token ", Quoted(spelling), " has more than ", kMaxTokenBytes, " bytes"));
      return ids;
    }
    const auto [other, is_new] = spelling_of.emplace(static_cast<int32_t>(*id), spelling);
    if (!is_new) {
      json.Fail(Concat("tokens ", Quoted(other->second), " and ", Quoted(spelling), " have the same id ", *id));
      return ids;
    }
    ids.emplace(spelling, static_cast<int32_t>(*id));
  }
  return ids;
}

// One merge: ["a", "b"], or "a b" as files were written before tokens could have spaces.
std::pair<std::string_view, std::string_view> MergeHalves(const boost::json::value& merge) {
  if (const boost::json::array* pair = merge.if_array(); pair != nullptr && pair->size() == 2) {
    if ((*pair)[0].is_string() && (*pair)[1].is_string()) {
      return {View((*pair)[0].get_string()), View((*pair)[1].get_string())};
    }
  }
  if (const boost::json::string* line = merge.if_string()) {
    const std::string_view text = View(*line);
    const size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  return {};
}

std::vector<Bpe::Merge> ParseMerges(const JsonCursor& json, const Ids& ids) {
  std::vector<Bpe::Merge> merges;
  const boost::json::array* array = json.AsArray();
  if (array == nullptr) return merges;
  if (array->size() > 4 * size_t{JsonTokenizer::kMaxVocabulary}) {
    json.Fail(Concat(array->size(), " merges, more than the ", 4 * size_t{JsonTokenizer::kMaxVocabulary}, " allowed"));
    return merges;
  }
  merges.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    const auto fail = [&](std::string_view what) { json.Elements()[i].Fail(what); };
    if (const auto* line = (*array)[i].if_string(); line != nullptr && View(*line).substr(0, 8) == "#version") continue;
    const auto [left, right] = MergeHalves((*array)[i]);
    if (left.empty() || right.empty()) {
      fail("expected a merge, as [\"left\", \"right\"] or \"left right\"");
      return merges;
    }
    const std::string joined = Concat(left, right);
    for (const std::string_view spelling : {left, right, std::string_view{joined}}) {
      if (!ids.contains(spelling)) {
        fail(Concat("merges ", Quoted(left), " and ", Quoted(right), ", but ", Quoted(spelling),
                    " is not in the vocabulary"));
        return merges;
      }
    }
    merges.push_back(
        {.left = ids.find(left)->second, .right = ids.find(right)->second, .result = ids.find(joined)->second});
  }
  return merges;
}

// A byte-level vocabulary spelled as the bytes themselves. Tokens that spell no bytes can only be added tokens and stay
// out; so does nothing that text can reach.
Ids IdsByBytes(const Ids& ids) {
  Ids by_bytes;
  by_bytes.reserve(ids.size());
  for (const auto& [spelling, id] : ids) {
    if (auto bytes = ByteLevelDecode(spelling)) by_bytes.emplace(*std::move(bytes), id);
  }
  return by_bytes;
}

bool HasEveryByte(const Ids& ids) {
  for (int byte = 0; byte < 256; ++byte) {
    if (!ids.contains(ByteLevelCharacter(static_cast<uint8_t>(byte)))) return false;
  }
  return true;
}

Bpe::Config ParseModel(const JsonCursor& json) {
  Bpe::Config config;
  const JsonCursor type = json["type"];
  if (type.String("BPE") != "BPE") type.Unsupported(Concat("model ", Quoted(type.String())));
  const JsonCursor dropout = json["dropout"];
  if (!dropout.absent() && dropout.Number() != 0) dropout.Unsupported("dropout");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonCursor affix = json[key];
    if (!affix.String("").empty()) affix.Unsupported(Concat(key, " ", Quoted(affix.String())));
  }
  config.byte_fallback = json["byte_fallback"].Bool(false);
  config.fuse_unknown = json["fuse_unk"].Bool(false);
  config.ignore_merges = json["ignore_merges"].Bool(false);
  if (!json.ok()) return config;
  config.ids = ParseVocabulary(json["vocab"]);
  if (!json.ok()) return config;
  config.merges = ParseMerges(json["merges"], config.ids);
  if (const JsonCursor unknown = json["unk_token"]; !unknown.absent()) {
    const auto it = config.ids.find(unknown.String());
    if (it != config.ids.end()) {
      config.unknown = it->second;
    } else {
      unknown.Fail(Concat(Quoted(unknown.String()), " is not in the vocabulary"));
    }
  }
  return config;
}

// Added tokens, their ids agreeing with the vocabulary's. `entries` grows as needed and gets their contents.
std::vector<AddedToken> ParseAddedTokens(const JsonCursor& json, const Ids& ids,
                                         std::vector<TokenTable::Entry>* entries) {
  std::vector<AddedToken> tokens;
  size_t added_bytes = 0;
  Ids seen;
  for (const JsonCursor& item : json.Elements()) {
    const JsonCursor content = item["content"];
    AddedToken token{.id = static_cast<int32_t>(item["id"].Int(0, JsonTokenizer::kMaxVocabulary - 1)),
                     .content = std::string(content.String()),
                     .single_word = item["single_word"].Bool(false),
                     .lstrip = item["lstrip"].Bool(false),
                     .rstrip = item["rstrip"].Bool(false),
                     .normalized = item["normalized"].Bool(true),
                     .special = item["special"].Bool(false)};
    if (!json.ok()) return tokens;
    if (token.content.empty()) continue;  // matches nothing
    if (token.content.size() > kMaxTokenBytes) content.Fail(Concat("more than ", kMaxTokenBytes, " bytes"));
    added_bytes += token.content.size();
    if (added_bytes > kMaxAddedBytes) json.Fail(Concat("more than ", kMaxAddedBytes, " bytes of added tokens"));
    if (tokens.size() == kMaxAddedTokens) json.Fail(Concat("more than ", kMaxAddedTokens, " added tokens"));
    if (!seen.emplace(token.content, token.id).second) {
      content.Fail(Concat(Quoted(token.content), " is added twice"));
    }
    const auto known = ids.find(token.content);
    if (known != ids.end() && known->second != token.id) {
      item["id"].Fail(Concat(token.id, ", but the vocabulary has ", Quoted(token.content), " as ", known->second));
    }
    if (!json.ok()) return tokens;
    const auto index = static_cast<size_t>(token.id);
    if (index >= entries->size()) entries->resize(index + 1);
    TokenTable::Entry& entry = (*entries)[index];
    if (!entry.content.empty() && entry.content != token.content) {
      item["id"].Fail(Concat(token.id, " is already the id of ", Quoted(entry.content)));
      return tokens;
    }
    entry.content = token.content;
    entry.special = token.special;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// A normalized added token is matched, and decoded, in its normalized form. Returns these forms by id.
absl::flat_hash_map<int32_t, std::string> NormalizeAddedTokens(const Normalizer& normalizer, const JsonCursor& json,
                                                               std::vector<AddedToken>* added) {
  absl::flat_hash_map<int32_t, std::string> respelled;
  RegexScratch scratch;
  scratch.Begin(kLoadedText);
  for (AddedToken& token : *added) {
    if (!token.normalized) continue;
    absl::StatusOr<std::string> normalized = normalizer.Normalize(token.content, &scratch);
    if (!normalized.ok()) {
      json.Fail(Concat("token ", Quoted(token.content), ": ", std::string{normalized.status().message()}));
      break;
    }
    token.content = *std::move(normalized);
    respelled[token.id] = token.content;
  }
  return respelled;
}

// Fills in what every entry stands for.
void FoldDecoder(const Decoder& decoder, const JsonCursor& json,
                 const absl::flat_hash_map<int32_t, std::string>& respelled, std::vector<TokenTable::Entry>* entries) {
  RegexScratch scratch;
  scratch.Begin(kLoadedText);
  size_t table_bytes = 0;
  for (size_t id = 0; id < entries->size(); ++id) {
    TokenTable::Entry& entry = (*entries)[id];
    if (entry.content.empty()) continue;
    const auto it = respelled.find(static_cast<int32_t>(id));
    const absl::Status status = decoder.Fold(it == respelled.end() ? entry.content : it->second, &scratch, &entry);
    if (!status.ok()) {
      return json.Fail(Concat("token ", Quoted(entry.content), ": ", std::string{status.message()}));
    }
    table_bytes += entry.content.size() + entry.bytes.size() + entry.start_bytes.size();
    if (table_bytes > kMaxTableBytes) {
      return json.Fail(Concat("makes more than ", kMaxTableBytes, " bytes of the vocabulary"));
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> JsonTokenizer::Parse(std::string_view json, std::string_view name) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document,
                            ParseJson(json, name, {.max_bytes = kMaxFileBytes, .max_depth = 32}));
  absl::Status error;
  const JsonCursor root(document, name, &error);

  Bpe::Config config = ParseModel(root["model"]);
  BATUCADA_RETURN_IF_ERROR(error);
  std::vector<TokenTable::Entry> entries;
  for (const auto& [spelling, id] : config.ids) {
    if (static_cast<size_t>(id) >= entries.size()) entries.resize(static_cast<size_t>(id) + 1);
    entries[static_cast<size_t>(id)].content = spelling;
  }
  std::vector<AddedToken> added = ParseAddedTokens(root["added_tokens"], config.ids, &entries);
  const Normalizer normalizer = Normalizer::Parse(root["normalizer"]);
  PreTokenizer pre_tokenizer = PreTokenizer::Parse(root["pre_tokenizer"]);
  const Decoder decoder = Decoder::Parse(root["decoder"]);
  TokenAffixes affixes = ParsePostProcessor(root["post_processor"], static_cast<int32_t>(entries.size()));
  BATUCADA_RETURN_IF_ERROR(error);
  if (entries.empty()) root["model"]["vocab"].Fail("the vocabulary is empty");
  BATUCADA_RETURN_IF_ERROR(error);

  const absl::flat_hash_map<int32_t, std::string> respelled =
      NormalizeAddedTokens(normalizer, root["added_tokens"], &added);
  FoldDecoder(decoder, root["decoder"], respelled, &entries);
  BATUCADA_RETURN_IF_ERROR(error);
  std::vector<AddedToken> as_given, normalized;
  for (AddedToken& token : added) {
    if (!token.content.empty()) (token.normalized ? normalized : as_given).push_back(std::move(token));
  }

  if (HasEveryByte(config.ids) && pre_tokenizer.TakeFinalByteSpelling()) {
    config.alphabet = BpeAlphabet::kBytes;
    config.ids = IdsByBytes(config.ids);
  }
  return std::unique_ptr<Tokenizer>(
      new JsonTokenizer(Parts{.table = TokenTable(std::move(entries), decoder.rules()),
                              .added_tokens = AddedTokenMatcher(std::move(as_given)),
                              .normalized_added_tokens = AddedTokenMatcher(std::move(normalized)),
                              .normalizer = normalizer,
                              .pre_tokenizer = std::move(pre_tokenizer),
                              .bpe = Bpe(std::move(config)),
                              .affixes = std::move(affixes)}));
}

}  // namespace batucada
