#include "loadtest/run/server_probe.h"

#include <utility>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/status.h"
#include "loadtest/client/quick_request.h"
#include "loadtest/client/token_stream.h"

namespace batucada::loadtest {
namespace {

namespace json = boost::json;

constexpr Duration kProbePatience = std::chrono::seconds(10);    // for a server to say something about itself
constexpr Duration kAnswerPatience = std::chrono::seconds(120);  // for it to make a token
constexpr int64_t kProbeTokens = 512;

// Asks for one token. UNAVAILABLE unless the answer is a stream.
absl::StatusOr<TokenStream::Usage> AskForOne(const Target& target, const RequestHead& head, const CompletionBody& body,
                                             const PromptMaker& prompts, int64_t prompt_tokens) {
  Prompt prompt;
  prompts.Append(prompt_tokens, Random(0, Use::kText), "user", &prompt);
  const std::string request = head.Post(PathOf(body.endpoint()), body.Write(prompt, 1));
  BATUCADA_ASSIGN_OR_RETURN(const Reply reply, QuickRequest(target, request, kAnswerPatience));
  if (reply.status != 200) {
    return absl::UnavailableError(
        fmt::format("a first request was answered {}: {}", reply.status, reply.body.substr(0, 500)));
  }
  Histogram unused;
  TokenStream stream(unused, KeepText::kNo);
  stream.Feed(reply.body, Clock::now());
  if (stream.done() || !stream.finish_reason().empty()) return stream.usage().value_or(TokenStream::Usage{});
  return absl::UnavailableError("a first request was answered, but not with a stream of chunks: is this OpenAI's API?");
}

}  // namespace

absl::StatusOr<std::string> FirstModel(const Target& target, const RequestHead& head) {
  BATUCADA_ASSIGN_OR_RETURN(const Reply reply, QuickRequest(target, head.Get("/v1/models"), kProbePatience));
  boost::system::error_code error;
  const json::value parsed = json::parse(reply.body, error);
  if (error) return std::string();
  const json::value* id = parsed.find_pointer("/data/0/id", error);
  return id != nullptr && id->is_string() ? std::string(id->as_string()) : std::string();
}

absl::StatusOr<double> MeasureBytesPerToken(const Target& target, const RequestHead& head, const CompletionBody& body,
                                            const PromptMaker::Options& prompts) {
  PromptMaker::Options options = prompts;
  options.bytes_per_token = 4;
  BATUCADA_ASSIGN_OR_RETURN(const TokenStream::Usage usage,
                            AskForOne(target, head, body, PromptMaker(std::move(options)), kProbeTokens));
  if (usage.prompt_tokens <= 0) return 4.0;  // a server without usage: as good a guess as any
  return 4.0 * kProbeTokens / static_cast<double>(usage.prompt_tokens);
}

absl::Status CheckServes(const Target& target, const RequestHead& head, const CompletionBody& body) {
  return AskForOne(target, head, body, PromptMaker({}), 8).status();
}

}  // namespace batucada::loadtest
