// Answers of models: split into thinking, text and calls the same way however they are cut, and text without a call
// comes out as it went in.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/cut_answer.h"

namespace {

using namespace batucada;

// Pieces as one text, each kind's beginnings marked.
std::string Told(const std::shared_ptr<const AnswerForm>& form, std::string_view text, size_t step, bool cut,
                 bool* calls) {
  AnswerParser parser(form);
  AnswerPieces out;
  std::string told;
  auto last = AnswerPiece::Kind::kText;
  const auto take = [&] {
    for (const AnswerPiece& piece : out.Take()) {
      const bool begins = piece.kind == AnswerPiece::Kind::kCall;
      *calls = *calls || begins;
      if (begins || piece.kind != last) told += static_cast<char>('\1' + static_cast<int>(piece.kind));
      told += piece.text;
      last = piece.kind;
    }
  };
  for (size_t at = 0; at < text.size(); at += step) {
    parser.Add(text.substr(at, step), &out);
    take();
  }
  cut ? FinishCut(parser, *form, &out) : parser.Finish(&out);
  take();
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  constexpr int kFormats = static_cast<int>(CallFormat::kPythonic);
  AnswerForm form = {.calls = static_cast<CallFormat>(1 + data[0] % kFormats), .tool_names = {"a", "weather"}};
  if (data[1] % 4 != 3) {
    form.thinking = MarksOf(ThinkingFormat::kQwen3);
    form.thinking_start = static_cast<ThinkingStart>(data[1] % 4);
  }
  const auto shared = std::make_shared<const AnswerForm>(form);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  bool calls = false;
  const std::string whole = Told(shared, text, text.size() + 1, false, &calls);
  if (!calls && !form.thinking && whole != text) std::abort();
  // A cut takes away, if anything, what the text ends with.
  const std::string cut = Told(shared, text, text.size() + 1, true, &calls);
  if (!whole.starts_with(cut)) std::abort();
  for (const size_t step : {size_t{1}, size_t{3}, size_t{7}}) {
    if (Told(shared, text, step, false, &calls) != whole) std::abort();
    if (Told(shared, text, step, true, &calls) != cut) std::abort();
  }
  return 0;
}
