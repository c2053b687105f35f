#include "text/normalizer.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/text_pattern.h"
#include "text/utf8.h"

namespace batucada {
namespace {

// A Replace of the file may lengthen a text; one of this size is no prompt any more.
constexpr size_t kMaxNormalizedBytes = size_t{1} << 28;

std::string_view Stripped(std::string_view text, bool left, bool right) {
  while (left && !text.empty()) {
    size_t next = 0;
    if (!IsWhitespace(NextCodepoint(text, &next))) break;
    text.remove_prefix(next);
  }
  while (right && !text.empty()) {
    const char32_t last = LastCodepoint(text);
    if (!IsWhitespace(last)) break;
    std::string bytes;
    AppendUtf8(last, &bytes);
    text.remove_suffix(bytes.size());
  }
  return text;
}

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace

Normalizer Normalizer::Parse(const JsonCursor& json) {
  Normalizer normalizer;
  if (!json.absent()) normalizer.ParseStep(json);
  return normalizer;
}

void Normalizer::ParseStep(const JsonCursor& json) {
  if (steps_.size() == kMaxSteps) return json.Fail(Concat("more than ", kMaxSteps, " normalizers"));
  const std::string_view type = json["type"].String();
  if (type == "Sequence") {
    for (const JsonCursor& step : json["normalizers"].Elements()) ParseStep(step);
  } else if (type == "NFC") {
    steps_.emplace_back(NormalForm::kNfc);
  } else if (type == "NFD") {
    steps_.emplace_back(NormalForm::kNfd);
  } else if (type == "NFKC") {
    steps_.emplace_back(NormalForm::kNfkc);
  } else if (type == "NFKD") {
    steps_.emplace_back(NormalForm::kNfkd);
  } else if (type == "Lowercase") {
    steps_.emplace_back(Lowercase{});
  } else if (type == "Strip") {
    steps_.emplace_back(Strip{.left = json["strip_left"].Bool(), .right = json["strip_right"].Bool()});
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{.text = std::string(json["prepend"].String())});
  } else if (type == "Replace") {
    steps_.emplace_back(
        Replace{.pattern = ParsePattern(json["pattern"]), .content = std::string(json["content"].String())});
  } else {
    json.Unsupported(Concat("normalizer ", Quoted(type)));
  }
}

absl::StatusOr<std::string> Normalizer::Normalize(std::string_view text, RegexScratch* scratch) const {
  std::string result(text);
  for (const Step& step : steps_) {
    const auto apply = Overloaded{
        [&](NormalForm form) -> absl::StatusOr<std::string> { return Normalized(result, form); },
        [&](const Lowercase&) -> absl::StatusOr<std::string> { return Lowercased(result); },
        [&](const Strip& s) -> absl::StatusOr<std::string> { return std::string(Stripped(result, s.left, s.right)); },
        [&](const Prepend& p) -> absl::StatusOr<std::string> { return result.empty() ? result : p.text + result; },
        [&](const Replace& r) { return ReplaceAll(r.pattern, r.content, result, kMaxNormalizedBytes, scratch); },
    };
    BATUCADA_ASSIGN_OR_RETURN(result, std::visit(apply, step));
    if (result.size() > kMaxNormalizedBytes) {
      return absl::ResourceExhaustedError(
          Concat("the tokenizer's normalizer turns ", text.size(), " bytes into more than ", kMaxNormalizedBytes));
    }
  }
  return result;
}

}  // namespace batucada
