#include "engine/model/generation_config.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include <boost/json.hpp>

#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "kernels/token_controls.h"

namespace batucada {
namespace {

constexpr size_t kMaxSuppressed = 4096;  // ids; written for every sequence that starts
constexpr size_t kMaxBadWords = kMaxPhrases;
constexpr size_t kMaxStops = 16;
constexpr size_t kMaxStopBytes = 256;

// The values of a key that change nothing, besides null.
enum class Neutral : uint8_t { kNone, kZero, kOne, kFalse, kEmpty };

// What generate() would do and this server does not.
struct Unserved {
  std::string_view key;
  Neutral neutral;
  bool only_sampling = false;  // without effect where do_sample is false
};
constexpr Unserved kUnserved[] = {
    {"num_beams", Neutral::kOne},
    {"num_beam_groups", Neutral::kOne},
    {"num_return_sequences", Neutral::kOne},
    {"penalty_alpha", Neutral::kZero},
    {"no_repeat_ngram_size", Neutral::kZero},
    {"encoder_no_repeat_ngram_size", Neutral::kZero},
    {"encoder_repetition_penalty", Neutral::kOne},
    {"begin_suppress_tokens", Neutral::kEmpty},
    {"forced_bos_token_id", Neutral::kNone},
    {"forced_eos_token_id", Neutral::kEmpty},
    {"forced_decoder_ids", Neutral::kEmpty},
    {"force_words_ids", Neutral::kEmpty},
    {"constraints", Neutral::kEmpty},
    {"sequence_bias", Neutral::kEmpty},
    {"exponential_decay_length_penalty", Neutral::kNone},
    {"guidance_scale", Neutral::kOne},
    {"watermarking_config", Neutral::kNone},
    {"dola_layers", Neutral::kNone},
    {"max_time", Neutral::kNone},
    {"token_healing", Neutral::kFalse},
    {"typical_p", Neutral::kOne, /*only_sampling=*/true},
    {"epsilon_cutoff", Neutral::kZero, /*only_sampling=*/true},
    {"eta_cutoff", Neutral::kZero, /*only_sampling=*/true},
    {"top_h", Neutral::kOne, /*only_sampling=*/true},
};

bool IsNumber(const boost::json::value& value, double number) {
  boost::json::error_code error;
  return value.is_number() && value.to_number<double>(error) == number && !error;
}

bool IsNeutral(const boost::json::value& value, Neutral neutral) {
  const bool is_false = value.is_bool() && !value.get_bool();
  switch (neutral) {
    case Neutral::kNone: return false;
    case Neutral::kZero: return IsNumber(value, 0) || is_false;
    case Neutral::kOne: return IsNumber(value, 1);
    case Neutral::kFalse: return is_false;
    case Neutral::kEmpty:
      return (value.is_array() && value.get_array().empty()) || (value.is_object() && value.get_object().empty());
  }
  return false;
}

std::string_view Expected(Neutral neutral) {
  switch (neutral) {
    case Neutral::kZero: return "null or 0";
    case Neutral::kOne: return "null or 1";
    case Neutral::kFalse: return "null or false";
    case Neutral::kEmpty: return "null or empty";
    case Neutral::kNone: break;
  }
  return "null";
}

void RefuseUnserved(const JsonObject& root, bool samples) {
  for (const Unserved& unserved : kUnserved) {
    const boost::json::value* value = root.Find(unserved.key);
    if (value == nullptr || IsNeutral(*value, unserved.neutral) || (unserved.only_sampling && !samples)) continue;
    root.Fail(unserved.key,
              Concat("is ", Printable(boost::json::serialize(*value)), ", which is not served: expected ",
                     Expected(unserved.neutral), ". Edit the file, or start with --generation-config none"));
  }
}

// Hotter than any request may be, and meant so: as hot as one may be.
constexpr double kMostInFile = 100;

void ReadSampling(const JsonObject& root, const SamplingField& field, SamplingOverrides* sampling) {
  if (field.model_default == ModelDefault::kNone || !root.Has(field.name)) return;
  if (const auto* integer = std::get_if<IntegerMembers>(&field.members)) {
    // -1 is a common way to say all.
    sampling->*integer->asked = std::max<int64_t>(
        0, root.Int(field.name, {static_cast<int64_t>(field.least), static_cast<int64_t>(field.most)}));
    return;
  }
  const double least = field.lower == LowerBound::kExcluded ? field.least + 1e-6 : field.least;
  const double most = field.name == "temperature" ? kMostInFile : field.most;
  const double value = root.NumberOr(field.name, least, {.min = least, .max = most});
  sampling->*std::get<NumberMembers>(field.members).asked = std::min(value, field.most);
}

std::optional<int64_t> OptionalInt(const JsonObject& root, std::string_view key, int64_t min) {
  if (!root.Has(key)) return std::nullopt;
  return root.IntOr(key, min, {.min = min, .max = INT32_MAX});
}

std::vector<int32_t> Ids(const JsonObject& root, std::string_view key, IntRange range, JsonObject::ListForm form) {
  const std::vector<int64_t> ids = root.Ints(key, range, form);
  return {ids.begin(), ids.end()};
}

void ReadBadWords(const JsonObject& root, IntRange range, GenerationConfig* config) {
  constexpr std::string_view kKey = "bad_words_ids";
  const boost::json::value* words = root.Find(kKey);
  if (words == nullptr) return;
  if (!words->is_array()) return root.Fail(kKey, "is no list, expected a list of lists of token ids");
  for (const boost::json::value& word : words->get_array()) {
    std::vector<int32_t> run;
    for (const boost::json::value& id : word.is_array() ? word.get_array() : boost::json::array()) {
      if (!id.is_int64() || id.get_int64() < range.min || id.get_int64() > range.max) {
        return root.Fail(kKey, Concat("holds ", Printable(boost::json::serialize(id)),
                                      ", expected token ids from 0 to ", range.max));
      }
      run.push_back(static_cast<int32_t>(id.get_int64()));
    }
    if (run.empty() || run.size() > kMaxPhraseIds) {
      return root.Fail(kKey,
                       Concat("has an entry of ", run.size(), " token ids, expected lists of 1 to ", kMaxPhraseIds));
    }
    // As in the reference: the end of a text cannot be a bad word.
    const auto& ends = config->eos_token_ids;
    if (run.size() > 1) {
      config->bad_words_ids.push_back(std::move(run));
    } else if (std::find(ends.begin(), ends.end(), run[0]) == ends.end()) {
      config->suppress_tokens.push_back(run[0]);
    }
  }
  if (config->bad_words_ids.size() > kMaxBadWords) {
    root.Fail(kKey, Concat("has ", config->bad_words_ids.size(), " entries of several tokens, at most ", kMaxBadWords,
                           " are supported"));
  }
}

void ReadStopStrings(const JsonObject& root, GenerationConfig* config) {
  constexpr std::string_view kKey = "stop_strings";
  const boost::json::value* stops = root.Find(kKey);
  if (stops == nullptr) return;
  const boost::json::array list = stops->is_array() ? stops->get_array() : boost::json::array{*stops};
  for (const boost::json::value& stop : list) {
    if (!stop.is_string() || stop.get_string().empty() || stop.get_string().size() > kMaxStopBytes) {
      return root.Fail(kKey, Concat("holds ", Printable(boost::json::serialize(stop)), ", expected strings of 1 to ",
                                    kMaxStopBytes, " bytes"));
    }
    config->stop_strings.emplace_back(stop.get_string().data(), stop.get_string().size());
  }
  if (list.size() > kMaxStops) root.Fail(kKey, Concat("has ", list.size(), " strings, at most ", kMaxStops));
}

absl::StatusOr<GenerationConfig> Parse(std::string_view json, int32_t vocab_size, GenerationConfigUse use) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJson(json, "generation_config.json"));
  absl::Status status;
  const JsonObject root(document, "generation_config.json: ", &status);
  GenerationConfig config;
  const IntRange ids = {.min = 0, .max = vocab_size - 1};
  config.eos_token_ids = Ids(root, "eos_token_id", ids, JsonObject::ListForm::kOneOrMany);
  if (use == GenerationConfigUse::kEndTokens) return status.ok() ? absl::StatusOr<GenerationConfig>(config) : status;

  const bool samples = root.BoolOr("do_sample", true);
  for (const SamplingField& field : kSamplingFields) ReadSampling(root, field, &config.sampling);
  if (!samples) config.sampling.temperature = 0;
  config.max_new_tokens = OptionalInt(root, "max_new_tokens", 1);
  config.max_length = OptionalInt(root, "max_length", 1);
  config.min_new_tokens = OptionalInt(root, "min_new_tokens", 0);
  config.min_length = OptionalInt(root, "min_length", 0);
  config.suppress_tokens = Ids(root, "suppress_tokens", ids, JsonObject::ListForm::kMany);
  ReadBadWords(root, ids, &config);
  if (config.suppress_tokens.size() > kMaxSuppressed) {
    root.Fail("suppress_tokens", Concat("and bad_words_ids name ", config.suppress_tokens.size(), " tokens, at most ",
                                        kMaxSuppressed, " are supported"));
  }
  ReadStopStrings(root, &config);
  RefuseUnserved(root, samples);
  if (!status.ok()) return status;
  return config;
}

}  // namespace

std::optional<int64_t> GenerationConfig::MostTokens(int64_t prompt_tokens) const {
  if (max_new_tokens) return max_new_tokens;
  if (!max_length) return std::nullopt;
  return std::max<int64_t>(*max_length - prompt_tokens, 1);
}

int64_t GenerationConfig::LeastTokens(int64_t prompt_tokens) const {
  if (min_new_tokens) return *min_new_tokens;
  return std::max<int64_t>(min_length.value_or(0) - prompt_tokens, 0);
}

std::string GenerationConfig::Describe() const {
  std::vector<std::string> parts;
  const auto add = [&parts](std::string_view name, const auto& value) {
    if (value) parts.push_back(Concat(name, " ", *value));
  };
  const auto count = [&parts](std::string_view name, const auto& list) {
    if (!list.empty()) parts.push_back(Concat(name, " (", list.size(), ")"));
  };
  for (const SamplingField& field : kSamplingFields) {
    std::visit([&](const auto& members) { add(field.name, sampling.*members.asked); }, field.members);
  }
  add("max_new_tokens", max_new_tokens);
  add("max_length", max_length);
  add("min_new_tokens", min_new_tokens);
  add("min_length", min_length);
  count("suppress_tokens", suppress_tokens);
  count("bad_words_ids", bad_words_ids);
  count("stop_strings", stop_strings);
  return absl::StrJoin(parts, ", ");
}

absl::StatusOr<GenerationConfig> ParseGenerationConfig(std::string_view json, int32_t vocab_size) {
  return Parse(json, vocab_size, GenerationConfigUse::kAll);
}

absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::filesystem::path& dir, int32_t vocab_size,
                                                      GenerationConfigUse use) {
  constexpr int64_t kMaxBytes = 1 << 20;
  auto json = ReadTextFile(dir / "generation_config.json", kMaxBytes);
  if (absl::IsNotFound(json.status())) return GenerationConfig{};
  if (!json.ok()) return json.status();
  return Parse(*json, vocab_size, use);
}

}  // namespace batucada
