#include "text/pre_tokenizer.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/byte_level.h"
#include "text/text_pattern.h"
#include "text/utf8.h"

namespace batucada {
namespace {

constexpr size_t kAtOnce = 4096;  // pieces of a step
constexpr size_t kMaxSpelledBytes = size_t{1} << 28;

// The pattern that ByteLevel splits by where it is asked to: the one of GPT-2.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::string_view kDigit = R"(\p{N})", kPunctuation = R"([!-/:-@\[-`{-~\p{P}])",
                           kThreeDigits = "[0-9][0-9][0-9]";  // as Falcon has it

// What the patterns of GPT-2, Llama 3, Qwen, Mistral and o200k are made of, one or the other of these. A match of any
// ends before a blank that is not its first character or in a row of whitespace, and has looked no further.
constexpr std::string_view kAlternatives[] = {
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d))",
    R"( ?\p{L}+)",
    R"( ?\p{N}+)",
    R"( ?[^\s\p{L}\p{N}]+)",
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*)",
    R"( ?[^\s\p{L}\p{N}]+[\r\n/]*)",
    R"([^\r\n\p{L}\p{N}]?\p{L}+)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)",
    R"(\p{N})",
    R"(\p{N}{1,3})",
    R"(\s*[\r\n]+)",
    R"(\s+(?!\S))",
    R"(\s+)",
};

// \w+|[^\w\s]+ as Whitespace means it: with Unicode's \w (UTS #18), which has joiners and no fractions.
constexpr std::string_view kWordsAndSymbols = R"([\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{200c}\x{200d}]+)"
                                              R"(|[^\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{200c}\x{200d}\s]+)";

Regex MustCompile(std::string_view pattern) {
  absl::StatusOr<Regex> regex = Regex::Compile(pattern);
  BATUCADA_CHECK(regex.ok(), regex.status().message());
  return *std::move(regex);
}

}  // namespace

PreTokenizer PreTokenizer::Parse(const JsonCursor& json) {
  PreTokenizer pre_tokenizer;
  if (!json.absent()) pre_tokenizer.ParseStep(json);
  return pre_tokenizer;
}

void PreTokenizer::ParseStep(const JsonCursor& json) {
  if (steps_.size() >= kMaxSteps) return json.Fail(Concat("more than ", kMaxSteps, " steps"));
  const std::string_view type = json["type"].String();
  const auto cut = [&](std::string_view pattern, Behavior behavior, bool invert = false) {
    steps_.emplace_back(
        Cut{.pattern = MustCompile(pattern), .behavior = behavior, .invert = invert, .blanks = RuleOf(pattern)});
  };
  if (type == "Sequence") {
    for (const JsonCursor& step : json["pretokenizers"].Elements()) ParseStep(step);
  } else if (type == "Split") {
    steps_.emplace_back(Cut{.pattern = ParsePattern(json["pattern"]),
                            .behavior = ParseBehavior(json["behavior"]),
                            .invert = json["invert"].Bool(false),
                            .blanks = RuleOf(json["pattern"]["Regex"].String(""))});
  } else if (type == "Digits") {
    cut(kDigit, json["individual_digits"].Bool(false) ? Behavior::kIsolated : Behavior::kContiguous);
  } else if (type == "Punctuation") {
    const JsonCursor behavior = json["behavior"];
    cut(kPunctuation, behavior.absent() ? Behavior::kIsolated : ParseBehavior(behavior));
  } else if (type == "Whitespace") {
    cut(kWordsAndSymbols, Behavior::kRemoved, /*invert=*/true);
  } else if (type == "WhitespaceSplit") {
    cut(R"(\s)", Behavior::kRemoved);
  } else if (type == "ByteLevel") {
    if (json["add_prefix_space"].Bool(true)) steps_.emplace_back(PrependSpace{});
    if (json["use_regex"].Bool(true)) cut(kGpt2Pattern, Behavior::kIsolated);
    steps_.emplace_back(SpellBytes{});
  } else if (type == "Metaspace") {
    ParseMetaspace(json);
  } else {
    json.Unsupported(Concat("pre-tokenizer ", Quoted(type)));
  }
}

void PreTokenizer::ParseMetaspace(const JsonCursor& json) {
  MarkSpaces mark{.mark = {}, .scheme = PrependScheme::kAlways};
  AppendUtf8(json["replacement"].Character(), &mark.mark);
  const JsonCursor scheme = json["prepend_scheme"];
  const std::string_view name = scheme.String("always");
  if (name == "first") {
    mark.scheme = PrependScheme::kFirst;
  } else if (name == "never") {
    mark.scheme = PrependScheme::kNever;
  } else if (name != "always") {
    scheme.Unsupported(Concat("prepend scheme ", Quoted(name)));
  }
  if (!json["add_prefix_space"].Bool(true)) {  // the older spelling
    if (!scheme.absent() && name != "never")
      json.Fail("add_prefix_space is false, but prepend_scheme is not \"never\"");
    mark.scheme = PrependScheme::kNever;
  }
  steps_.emplace_back(mark);
  if (json["split"].Bool(true)) {
    absl::StatusOr<Regex> pattern = Regex::Literal(mark.mark);
    BATUCADA_CHECK(pattern.ok(), pattern.status().message());
    steps_.emplace_back(Cut{.pattern = *std::move(pattern), .behavior = Behavior::kMergedWithNext, .invert = false});
  }
}

PreTokenizer::BlankRule PreTokenizer::RuleOf(std::string_view pattern) {
  if (pattern == kDigit || pattern == kPunctuation || pattern == kThreeDigits) return BlankRule::kIgnored;
  bool blanks = false;  // some alternative takes them: else they would be left between matches
  while (!pattern.empty()) {
    size_t longest = 0;
    for (const std::string_view known : kAlternatives) {
      const bool fits = pattern.starts_with(known) && (pattern.size() == known.size() || pattern[known.size()] == '|');
      if (fits && known.size() > longest) longest = known.size();
    }
    if (longest == 0) return BlankRule::kUnknown;
    blanks = blanks || pattern.substr(0, longest) == R"(\s+)";
    pattern.remove_prefix(std::min(pattern.size(), longest + 1));
  }
  return blanks ? BlankRule::kCutBefore : BlankRule::kUnknown;
}

bool PreTokenizer::CutsBeforeBlanks() const {
  bool cuts = false;
  for (const Step& step : steps_) {
    if (std::holds_alternative<SpellBytes>(step)) continue;
    const Cut* const cut = std::get_if<Cut>(&step);
    if (cut == nullptr || cut->invert || cut->blanks == BlankRule::kUnknown) return false;
    if (cut->blanks == BlankRule::kIgnored) continue;
    if (cut->behavior != Behavior::kIsolated) return false;
    cuts = true;
  }
  return cuts;
}

PreTokenizer::Behavior PreTokenizer::ParseBehavior(const JsonCursor& json) {
  const std::string_view name = json.String();
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Contiguous") return Behavior::kContiguous;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  json.Unsupported(Concat("split behavior ", Quoted(name)));
  return Behavior::kIsolated;
}

bool PreTokenizer::TakeFinalByteSpelling() {
  if (steps_.empty() || !std::holds_alternative<SpellBytes>(steps_.back())) return false;
  steps_.pop_back();
  return true;
}

absl::Status PreTokenizer::Run(std::string_view text, bool at_start, Scratch* scratch, Sink sink) const {
  scratch->stages.resize(steps_.size());
  for (Stage& stage : scratch->stages) stage.taken = 0;
  if (text.empty()) return absl::OkStatus();
  const Piece whole = {.text = text, .at_start = at_start};
  return Pass(0, {&whole, 1}, scratch, sink);
}

absl::Status PreTokenizer::Pass(size_t step, std::span<const Piece> pieces, Scratch* scratch, Sink sink) const {
  if (step == steps_.size()) {
    for (const Piece& piece : pieces) sink(piece);
    return absl::OkStatus();
  }
  if (const auto* cut = std::get_if<Cut>(&steps_[step])) return Apply(*cut, step, pieces, scratch, sink);
  Stage& stage = scratch->stages[step];
  size_t total = 0;
  for (const Piece& piece : pieces) total += piece.text.size();
  stage.taken += total;
  stage.text.clear();
  stage.text.reserve(total + total / 2 + 4 * pieces.size());
  stage.ends.clear();
  const auto rewrite = [&](const auto& rewriting) -> absl::Status {
    if constexpr (std::is_same_v<decltype(rewriting), const Cut&>) {
      return absl::OkStatus();
    } else {
      return Rewrite(rewriting, pieces, &stage);
    }
  };
  BATUCADA_RETURN_IF_ERROR(std::visit(rewrite, steps_[step]));
  stage.pieces.clear();
  for (size_t i = 0, begin = 0; i < pieces.size(); begin = stage.ends[i++]) {
    const std::string_view text = std::string_view{stage.text}.substr(begin, stage.ends[i] - begin);
    stage.pieces.push_back({.text = text, .at_start = pieces[i].at_start});
  }
  return Pass(step + 1, stage.pieces, scratch, sink);
}

// Puts the matches of a pattern and the stretches between them together as a behaviour asks.
class PreTokenizer::Joiner {
 public:
  Joiner(Behavior behavior, const Piece& piece, std::vector<Piece>* out)
      : behavior_(behavior), piece_(piece), out_(*out) {}

  // Called from left to right, without gaps.
  void Add(size_t begin, size_t end, bool is_match) {
    switch (behavior_) {
      case Behavior::kIsolated: Emit(begin, end); break;
      case Behavior::kRemoved:
        if (!is_match) Emit(begin, end);
        break;
      case Behavior::kContiguous:
        has_last_&& is_match == previous_is_match_ ? ExtendLast(end) : Emit(begin, end);
        break;
      case Behavior::kMergedWithPrevious:
        has_last_&& is_match && !previous_is_match_ ? ExtendLast(end) : Emit(begin, end);
        break;
      case Behavior::kMergedWithNext:  // a match waits for what follows; another match does not join it
        if (is_match) {
          Finish(begin);
          waiting_ = begin;
        } else {
          Emit(std::min(begin, waiting_), end);
          waiting_ = kNone;
        }
        break;
    }
    previous_is_match_ = is_match;
  }

  void Finish(size_t end) {
    if (waiting_ != kNone) Emit(waiting_, end);
    waiting_ = kNone;
  }

 private:
  static constexpr size_t kNone = std::string_view::npos;

  void Emit(size_t begin, size_t end) {
    if (begin == end) return;
    has_last_ = true;
    out_.push_back({.text = piece_.text.substr(begin, end - begin), .at_start = piece_.at_start && begin == 0});
  }

  void ExtendLast(size_t end) {
    const auto begin = static_cast<size_t>(out_.back().text.data() - piece_.text.data());
    out_.back().text = piece_.text.substr(begin, end - begin);
  }

  const Behavior behavior_;
  const Piece piece_;
  std::vector<Piece>& out_;
  bool has_last_ = false;  // the last of out_ is of this piece
  bool previous_is_match_ = false;
  size_t waiting_ = kNone;  // where a match begins that will be merged with the next stretch
};

absl::Status PreTokenizer::Apply(const Cut& cut, size_t step, std::span<const Piece> pieces, Scratch* scratch,
                                 Sink sink) const {
  Stage& stage = scratch->stages[step];
  stage.pieces.clear();
  for (const Piece& piece : pieces) {
    Joiner joiner(cut.behavior, piece, &stage.pieces);
    size_t from = 0;
    for (Regex::Search search; !search.done;) {
      BATUCADA_RETURN_IF_ERROR(cut.pattern.FindSome(piece.text, kAtOnce, &search, &scratch->regex, &stage.matches));
      for (const Regex::Span& match : stage.matches) {
        if (from != match.begin) joiner.Add(from, match.begin, cut.invert);
        joiner.Add(match.begin, match.end, !cut.invert);
        from = match.end;
      }
      if (stage.pieces.size() <= kAtOnce) continue;
      // All but the last, which may yet grow.
      const Piece last = stage.pieces.back();
      stage.pieces.pop_back();
      BATUCADA_RETURN_IF_ERROR(Pass(step + 1, stage.pieces, scratch, sink));
      stage.pieces.assign(1, last);
    }
    if (from != piece.text.size()) joiner.Add(from, piece.text.size(), cut.invert);
    joiner.Finish(piece.text.size());
  }
  return Pass(step + 1, stage.pieces, scratch, sink);
}

absl::Status PreTokenizer::Rewrite(const PrependSpace&, std::span<const Piece> pieces, Stage* stage) {
  for (const Piece& piece : pieces) {
    if (piece.text.front() != ' ') stage->text += ' ';
    stage->text += piece.text;
    stage->ends.push_back(stage->text.size());
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::Rewrite(const MarkSpaces& mark, std::span<const Piece> pieces, Stage* stage) {
  for (const Piece& piece : pieces) {
    const bool wanted =
        mark.scheme == PrependScheme::kAlways || (mark.scheme == PrependScheme::kFirst && piece.at_start);
    const bool marked = piece.text.front() == ' ' || piece.text.substr(0, mark.mark.size()) == mark.mark;
    if (wanted && !marked) stage->text += mark.mark;
    for (const char c : piece.text) {
      if (c == ' ') {
        stage->text += mark.mark;
      } else {
        stage->text += c;
      }
    }
    stage->ends.push_back(stage->text.size());
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::Rewrite(const SpellBytes&, std::span<const Piece> pieces, Stage* stage) {
  // Each step may double a text, and a file may have many.
  if (stage->taken > kMaxSpelledBytes) {
    return absl::ResourceExhaustedError(
        Concat("the tokenizer's pre-tokenizer makes more than ", kMaxSpelledBytes, " bytes of this text"));
  }
  for (const Piece& piece : pieces) {
    for (const char c : piece.text) stage->text += ByteLevelCharacter(static_cast<uint8_t>(c));
    stage->ends.push_back(stage->text.size());
  }
  return absl::OkStatus();
}

}  // namespace batucada
