#include "loadtest/run/requester.h"

#include <utility>

#include <fmt/format.h>

namespace batucada::loadtest {
namespace {

constexpr auto kMoment = std::chrono::seconds(1);

ErrorKind KindOf(const Reply& reply) {
  if (reply.ending == Ending::kTimeout) return ErrorKind::kTimeout;
  if (reply.ending == Ending::kMalformed) return ErrorKind::kMalformed;
  if (reply.status == 429) return ErrorKind::kRefused;
  if (reply.status == 503) return ErrorKind::kUnavailable;
  if (reply.status >= 500) return ErrorKind::kServer;
  if (reply.status >= 400) return ErrorKind::kClient;
  if (reply.ending != Ending::kWhole) return ErrorKind::kCut;
  return reply.status == 200 ? ErrorKind::kNone : ErrorKind::kMalformed;
}

// What went wrong with an answer, judged by all that is known of it.
// `bytes`: of its body.
void Judge(const Reply& reply, const TokenStream& stream, size_t bytes, RequestRecord* record) {
  record->status = reply.status;
  record->error = KindOf(reply);
  record->message = !reply.error.empty() ? reply.error : fmt::format("{}: {}", reply.status, reply.body.substr(0, 300));
  if (record->error != ErrorKind::kNone) return;
  const auto fail = [record](ErrorKind kind, std::string_view why) {
    record->error = kind;
    record->message = why;
  };
  if (!stream.error().empty()) return fail(ErrorKind::kErrorEvent, stream.error());
  if (!stream.malformed().empty()) return fail(ErrorKind::kMalformed, stream.malformed());
  // The server gave up without calling it an error: vLLM and SGLang say "abort".
  if (const std::string& reason = stream.finish_reason(); reason == "abort" || reason == "error") {
    return fail(ErrorKind::kErrorEvent, fmt::format("the answer ended with finish_reason {}", reason));
  }
  if (stream.empty() && bytes > 0) return fail(ErrorKind::kMalformed, "the answer is no stream of events");
  // A few servers end without [DONE]; a finish reason says as much.
  if (!stream.done() && stream.finish_reason().empty()) return fail(ErrorKind::kCut, "the stream ended without [DONE]");
  const bool tokens = stream.text_events() > 0 || (stream.usage() && stream.usage()->completion_tokens > 0);
  if (!tokens) return fail(ErrorKind::kNoTokens, "no event had any text, and no token is counted");
  record->message.clear();
}

void AppendAll(const Prompt& from, Prompt* to) {
  to->ids.insert(to->ids.end(), from.ids.begin(), from.ids.end());
  to->messages.insert(to->messages.end(), from.messages.begin(), from.messages.end());
}

}  // namespace

std::unique_ptr<Requester::Connection> Requester::TakeConnection() {
  while (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->wire.Idle()) return connection;
    ++recorder_.stale_connections;
  }
  return std::make_unique<Connection>(io_);
}

Task<void> Requester::Run(uint64_t index, Session session, TimePoint due) {
  Prompt history;
  for (size_t i = 0; i < session.turns.size(); ++i) {
    const Turn& turn = session.turns[i];
    if (i > 0) {
      due = Clock::now() + turn.think;
      boost::asio::steady_timer pause(io_, due);
      co_await pause.async_wait(kNoThrow);
    }
    AppendAll(turn.prompt, &history);
    const bool last = i + 1 == session.turns.size();
    std::string answer;
    context_.live.Begin();
    RequestRecord record = co_await Ask(history, turn, due, last ? nullptr : &answer);
    context_.live.End(record.error == ErrorKind::kNone);
    const bool failed = record.error != ErrorKind::kNone;
    record.index = index;
    recorder_.Record(std::move(record));
    if (failed || last) co_return;
    history.messages.push_back({.role = "assistant", .text = std::move(answer)});
  }
}

Task<RequestRecord> Requester::Ask(const Prompt& prompt, const Turn& turn, TimePoint due, std::string* answer) {
  RequestRecord record = {.due = due, .prompt_tokens = turn.prompt_tokens};
  const std::string body = context_.body.Write(prompt, turn.output_tokens);
  const std::string request = context_.head.Post(PathOf(context_.body.endpoint()), body);
  record.sent = Clock::now();
  const TimePoint deadline = record.sent + context_.timeout;
  TokenStream stream(recorder_.inter_token, answer == nullptr ? KeepText::kNo : KeepText::kYes);
  if (recorder_.detail() == Detail::kEveryRequest) stream.KeepGaps(&record.gaps);
  size_t bytes_read = 0;
  Reply reply;
  std::unique_ptr<Connection> connection;
  // A kept connection may be closed by the server in the very moment it is used again: then once more, on another. A
  // server that has had the request for longer has dropped it, and that is an error.
  for (bool again = true; again;) {
    again = false;
    connection = TakeConnection();
    Wire& wire = connection->wire;
    wire.SetDeadline(deadline);
    const bool kept = wire.socket().is_open();
    if (!kept) {
      const error_code error = co_await wire.Connect(context_.target);
      if (error) {
        record.end = Clock::now();
        record.error = wire.past_deadline() ? ErrorKind::kTimeout : ErrorKind::kConnect;
        record.message = error.message();
        co_return record;
      }
      ++recorder_.connections;
    }
    OnBody on_body = [&stream, &bytes_read, this](std::string_view bytes, TimePoint now) {
      bytes_read += bytes.size();
      const int64_t before = stream.text_events();
      stream.Feed(bytes, now);
      const int64_t more = stream.text_events() - before;
      recorder_.CountText(now, more);
      context_.live.text_events.fetch_add(more, std::memory_order_relaxed);
    };
    const TimePoint written = Clock::now();
    reply = co_await Exchange(wire, request, connection->inbox, std::move(on_body));
    if (kept && reply.ending == Ending::kSilent && Clock::now() - written < kMoment) {
      ++recorder_.stale_connections;
      again = true;
    }
  }
  connection->wire.ClearDeadline();
  record.end = Clock::now();
  Judge(reply, stream, bytes_read, &record);
  // Tokens without text, special ones say, are seen when the answer ends.
  const bool text = stream.text_events() > 0;
  record.first = text ? stream.first_text() : record.end;
  record.last = text ? stream.last_text() : record.end;
  record.text_events = stream.text_events();
  record.completion_tokens = stream.text_events();
  if (stream.usage()) {
    record.prompt_tokens = stream.usage()->prompt_tokens;
    record.completion_tokens = stream.usage()->completion_tokens;
  }
  if (answer != nullptr) *answer = stream.text();
  if (reply.keep_alive) idle_.push_back(std::move(connection));
  co_return record;
}

}  // namespace batucada::loadtest
