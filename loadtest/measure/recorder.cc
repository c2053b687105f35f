#include "loadtest/measure/recorder.h"

#include <algorithm>
#include <numeric>

namespace batucada::loadtest {
namespace {

constexpr size_t kMaxSeconds = 7 * 24 * 3600;

void AddAll(const std::vector<int64_t>& from, std::vector<int64_t>* to) {
  to->resize(std::max(to->size(), from.size()));
  std::transform(from.begin(), from.end(), to->begin(), to->begin(), std::plus<>());
}

}  // namespace

void Recorder::Record(RequestRecord record) {
  last_end = std::max(last_end, record.end);
  send_lag.Record(record.sent - record.due);
  text_events += record.text_events;
  if (record.error == ErrorKind::kNone) {
    ++completed;
    prompt_tokens += record.prompt_tokens;
    completion_tokens += record.completion_tokens;
    ttft.Record(record.ttft());
    e2el.Record(record.e2el());
    if (record.completion_tokens > 1) tpot.Record(record.tpot());
    if (slo_.Holds(record.ttft(), record.tpot(), record.e2el())) ++good;
    CountRunning(record);
  } else {
    const auto kind = static_cast<size_t>(record.error);
    if (errors[kind]++ == 0) first_message[kind] = record.message;
    if (record.status == 429 || record.status == 503) refusal.Record(record.e2el());
  }
  if (detail_ == Detail::kEveryRequest) requests.push_back(std::move(record));
}

size_t Recorder::SecondOf(TimePoint when) const {
  return std::min(kMaxSeconds, static_cast<size_t>(std::max(0.0, ToSeconds(when - start_))));
}

void Recorder::CountText(TimePoint now, int64_t count) {
  const size_t second = SecondOf(now);
  if (text_by_second.size() <= second) text_by_second.resize(second + 1);
  text_by_second[second] += count;
}

void Recorder::CountRunning(const RequestRecord& record) {
  const size_t last = SecondOf(record.end);
  if (running_by_second.size() <= last) running_by_second.resize(last + 1);
  for (size_t second = SecondOf(record.sent); second <= last; ++second) ++running_by_second[second];
}

void Recorder::Merge(const Recorder& other) {
  ttft.Merge(other.ttft);
  tpot.Merge(other.tpot);
  e2el.Merge(other.e2el);
  inter_token.Merge(other.inter_token);
  send_lag.Merge(other.send_lag);
  refusal.Merge(other.refusal);
  completed += other.completed;
  good += other.good;
  prompt_tokens += other.prompt_tokens;
  completion_tokens += other.completion_tokens;
  text_events += other.text_events;
  for (size_t i = 0; i < kErrorKinds; ++i) {
    errors[i] += other.errors[i];
    if (first_message[i].empty()) first_message[i] = other.first_message[i];
  }
  stale_connections += other.stale_connections;
  connections += other.connections;
  AddAll(other.text_by_second, &text_by_second);
  AddAll(other.running_by_second, &running_by_second);
  last_end = std::max(last_end, other.last_end);
  requests.insert(requests.end(), other.requests.begin(), other.requests.end());
}

int64_t Recorder::failed() const { return std::accumulate(errors.begin(), errors.end(), int64_t{0}); }

}  // namespace batucada::loadtest
