#include "loadtest/metrics/reconcile.h"

#include <algorithm>

#include <fmt/format.h>

namespace batucada::loadtest {

bool Reconciliation::Agrees() const {
  return std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.difference() == 0; });
}

Reconciliation Reconcile(const Recorder& client, const ServerCounts& before, const ServerCounts& after,
                         int64_t misbehaved) {
  Reconciliation out;
  // A counter may show for the first time once it has something to count.
  const auto add = [&](std::string_view what, int64_t ours, const std::optional<double>& from,
                       const std::optional<double>& to) {
    if (!to) return;
    out.rows.push_back(
        {.what = std::string(what), .client = static_cast<double>(ours), .server = *to - from.value_or(0)});
  };
  const int64_t refused = client.errors[static_cast<size_t>(ErrorKind::kRefused)] +
                          client.errors[static_cast<size_t>(ErrorKind::kUnavailable)];
  add("requests answered", client.completed, before.answered, after.answered);
  add("requests refused", refused, before.refused, after.refused);
  add("prompt tokens", client.prompt_tokens, before.prompt_tokens, after.prompt_tokens);
  add("output tokens", client.completion_tokens, before.output_tokens, after.output_tokens);
  const int64_t broken = client.failed() - refused;
  if (misbehaved > 0) {
    out.note = fmt::format("{} sessions misbehaved on purpose: the server has counted some of them too", misbehaved);
  } else if (broken > 0) {
    out.note = fmt::format("{} requests broke off: the server may have counted what the client never saw", broken);
  } else if (after.running.value_or(0) + after.waiting.value_or(0) > 0) {
    out.note = "the server was still busy 5 s after the last answer: somebody else uses it too";
  }
  return out;
}

}  // namespace batucada::loadtest
