// What one thread measures; a run's threads are merged at its end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadtest/clock.h"
#include "loadtest/measure/error_kind.h"
#include "loadtest/measure/histogram.h"
#include "loadtest/measure/slo.h"

namespace batucada::loadtest {

// One request, from when it was due to when all was known about it.
struct RequestRecord {
  uint64_t index = 0;  // of its session in the workload
  TimePoint due;       // when it should have been sent; latencies count from here
  TimePoint sent;      // when the client got round to it
  TimePoint first;     // first text that is not empty; `end` if there was none
  TimePoint last;      // last text, likewise
  TimePoint end;       // end of the answer
  int64_t text_events = 0;
  int64_t prompt_tokens = 0;      // as the server counted them; else as they were meant to be
  int64_t completion_tokens = 0;  // as the server counted them; else text_events
  std::vector<Duration> gaps;     // between events with text; only with Detail::kEveryRequest
  ErrorKind error = ErrorKind::kNone;
  int status = 0;       // HTTP; 0: none came
  std::string message;  // of the error

  Duration ttft() const { return first - due; }
  Duration e2el() const { return end - due; }
  // Between the first text and the last, for each token but the first; 0 for a single token.
  Duration tpot() const { return completion_tokens > 1 ? (last - first) / (completion_tokens - 1) : Duration(0); }
};

enum class Detail : uint8_t { kTotals, kEveryRequest };

// Not thread-safe.
class Recorder {
 public:
  Recorder(TimePoint start, const Slo& slo, Detail detail) : start_(start), slo_(slo), detail_(detail) {}

  void Record(RequestRecord record);
  // `count` events with text came at `now`.
  void CountText(TimePoint now, int64_t count);
  void Merge(const Recorder& other);

  Histogram ttft, tpot, e2el;  // of requests that were answered
  Histogram inter_token;       // of all streams, also those that failed later
  Histogram send_lag;          // sent - due, of all requests: how far behind its schedule the client itself was
  Histogram refusal;           // how long 429 and 503 took to come
  int64_t completed = 0, good = 0;
  int64_t prompt_tokens = 0, completion_tokens = 0;  // of requests that were answered
  int64_t text_events = 0;                           // of all
  std::array<int64_t, kErrorKinds> errors{};
  std::array<std::string, kErrorKinds> first_message;  // of each kind
  int64_t stale_connections = 0;                       // kept ones that turned out to be closed; the request went again
  int64_t connections = 0;                             // opened
  std::vector<int64_t> text_by_second;                 // events with text that came in that second, of all
  std::vector<int64_t> running_by_second;              // answered requests under way in that second
  TimePoint last_end;
  std::vector<RequestRecord> requests;  // with Detail::kEveryRequest

  int64_t failed() const;
  Detail detail() const { return detail_; }
  TimePoint start() const { return start_; }

 private:
  size_t SecondOf(TimePoint when) const;
  void CountRunning(const RequestRecord& record);

  TimePoint start_;
  Slo slo_;
  Detail detail_;
};

}  // namespace batucada::loadtest
