// What a streamed answer said and when: one request's server-sent events, understood.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadtest/client/sse_parser.h"
#include "loadtest/clock.h"
#include "loadtest/measure/histogram.h"

namespace batucada::loadtest {

enum class KeepText : uint8_t { kNo, kYes };

// Counts events; parses JSON only where usage, a finish reason or an error is told, or if the text is kept.
class TokenStream {
 public:
  // Times between events with text go to `inter_token`, which outlives this.
  TokenStream(Histogram& inter_token, KeepText keep) : inter_token_(inter_token), keep_(keep) {}

  // From now on they also go to `gaps`, which outlives this, one by one.
  void KeepGaps(std::vector<Duration>* gaps) { gaps_ = gaps; }

  // More of the answer's body, as it came at `now`.
  void Feed(std::string_view bytes, TimePoint now);

  struct Usage {
    int64_t prompt_tokens = 0;
    int64_t completion_tokens = 0;
  };
  bool done() const { return done_; }                   // [DONE] has come
  bool empty() const { return events_ == 0; }           // no event has come, whatever else did
  int64_t text_events() const { return text_events_; }  // events with text that is not empty
  TimePoint first_text() const { return first_text_; }  // if text_events() > 0
  TimePoint last_text() const { return last_text_; }    // likewise
  const std::optional<Usage>& usage() const { return usage_; }
  const std::string& finish_reason() const { return finish_reason_; }
  const std::string& error() const { return error_; }          // an error event's message
  const std::string& malformed() const { return malformed_; }  // why the stream makes no sense
  const std::string& text() const { return text_; }            // only with KeepText::kYes

 private:
  void TakeEvent(std::string_view data, TimePoint now);
  void Parse(std::string_view data);

  Histogram& inter_token_;
  const KeepText keep_;
  SseParser parser_;
  std::vector<Duration>* gaps_ = nullptr;
  bool done_ = false;
  int64_t events_ = 0;
  int64_t text_events_ = 0;
  TimePoint first_text_, last_text_;
  std::optional<Usage> usage_;
  std::string finish_reason_, error_, malformed_, text_;
};

}  // namespace batucada::loadtest
