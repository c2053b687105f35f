// Another server's way to ask for text and to tell it: what its file has to say. The asking becomes the parameters of a
// completion, so that all ways draw the same tokens for the same request.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/generate/completion_params.h"
#include "server/generate/generation_group.h"
#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/json/json_writer.h"
#include "server/json/pieces.h"
#include "server/json/unknown_members.h"

namespace batucada {

// All that one generation made, or has made so far.
struct Generated {
  size_t index = 0;  // among those of the request: prompt by prompt
  std::string text;
  std::vector<TokenResult> tokens;                      // if the dialect keeps them
  std::vector<SharedArray<TokenResult>> prompt_scores;  // likewise, of its prompt's tokens but the first
  Finish finish;
  RequestUsage usage;  // its own
  RequestTimings timings;
};

// What is asked for, as the engine takes it.
struct Asked {
  std::string request_id;
  std::string model;
  std::string prompt;                         // as text, where it was one and the dialect keeps it
  std::vector<SharedArray<int32_t>> prompts;  // ids
  size_t texts_per_prompt = 1;
  SamplingParams sampling;
  int64_t max_tokens = 0;
  int64_t prompt_tokens = 0;                 // of the first prompt
  std::shared_ptr<const AnswerForm> answer;  // see Translation
  int64_t last_breakpoint = 0;               // tokens up to there; 0: there is none

  const SharedArray<int32_t>& PromptOf(const Generated& generated) const {
    return prompts[generated.index / texts_per_prompt];
  }
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  // Called first.
  virtual void Begin(Asked asked) { asked_ = std::move(asked); }
  // What a stream begins with, before there is anything to tell.
  virtual void Start(std::string* /*body*/) {}
  // Whether the answer repeats the prompt.
  virtual bool KeepsPrompt() const { return false; }
  // Whether tokens are kept for Whole and End, and the scores of prompts where they are asked for.
  virtual bool KeepsTokens() const { return false; }
  // The whole answer's document, which is written as the client takes it: it may be far longer than what it is made of.
  // `all` outlives it and does not change meanwhile.
  virtual Pieces Whole(const std::vector<Generated>& all, JsonWriter& json) = 0;
  // A piece of a stream: what is new, which may be the last of it (`update.finish`). `generated` counts it.
  virtual void Piece(const Generated& generated, const Update& update, std::string* body) = 0;
  // Behind the last piece of all, for each generation.
  virtual void End(const Generated& generated, std::string* body) = 0;
  // Whether a stream tells again what it has told before. Such events may be long: Retell writes them.
  virtual bool Retells() const { return false; }
  // What is to be told of `generated` by now, or behind all of it (`ended`, after End). It does not change meanwhile.
  virtual Pieces Retell(const Generated& /*generated*/, bool /*ended*/, std::string* /*body*/) { return {}; }
  // An error behind the first piece.
  virtual void Fail(const absl::Status& status, std::string* body) = 0;
  virtual std::string_view stream_type() const { return "text/event-stream"; }
  // What tells that a silent stream goes on; nothing, where the form has no such thing.
  virtual void KeepAlive(std::string* /*body*/) {}

 protected:
  const Asked& asked() const { return asked_; }

 private:
  Asked asked_;
};

// Runs what `params` ask for and tells it in `dialect`. `api` names the way in the log. Refusals are noted, and have
// `form`.
Answer Tell(Service& service, const HttpRequest& request, std::string api,
            const absl::StatusOr<CompletionParams>& params, const UnknownMembers& unknown,
            std::unique_ptr<Dialect> dialect, ErrorForm form);

// "stop", "length", …: whether the text ended by a stop string, by the model's end token, or was cut.
enum class EndedBy : uint8_t { kStopString, kEndToken, kLength };
EndedBy EndOf(const Finish& finish);

}  // namespace batucada
