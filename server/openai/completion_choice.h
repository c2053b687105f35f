// A choice of /v1/completions: {"index":…,"text":…,"logprobs":…,"finish_reason":…,…}.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/shared_array.h"
#include "server/openai/choice.h"
#include "server/openai/choice_extras.h"
#include "server/openai/logprobs_json.h"

namespace batucada {

class CompletionChoice : public Choice {
 public:
  // `prompt` and `prompt_text` are of this choice's prompt, whose choices share them. `prompt_text`: if options.echo,
  // else null. `tokenizer` outlives this.
  CompletionChoice(int64_t index, const ChoiceOptions& options, const Tokenizer& tokenizer,
                   const SharedArray<int32_t>& prompt, std::shared_ptr<const std::string> prompt_text);

  void Take(Update& update) override;
  void SetIndex(int64_t index) override { index_ = index; }
  bool HasNews() const override;
  Pieces Write(JsonWriter& json) override;

 private:
  Pieces WriteEchoed(JsonWriter& json);
  // Whether the prompt's next token shows in the text if it is special.
  Specials NextOfPrompt();

  int64_t index_;
  const ChoiceOptions options_;
  std::shared_ptr<const std::string> echo_;  // before the text, not written yet
  std::string text_;
  const size_t prompt_size_;
  size_t prompt_at_ = 0;                  // tokens of the prompt that have been told of
  std::optional<LogprobsJson> logprobs_;  // if options.logprobs
  ChoiceExtras extras_;
  std::optional<Finish> finish_;
};

}  // namespace batucada
