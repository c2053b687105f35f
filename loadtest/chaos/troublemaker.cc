#include "loadtest/chaos/troublemaker.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "loadtest/chaos/hostile_bytes.h"

namespace batucada::loadtest {
namespace {

namespace asio = boost::asio;

constexpr int kSmallBuffer = 2048;  // of a slow reader's socket, so that the server feels it
constexpr auto kSlowStep = std::chrono::milliseconds(100);

// What is remembered of an answer: its first bytes for the status, its last for whether it is whole.
class Answer {
 public:
  void Take(std::string_view bytes) {
    if (first_.size() < 12) first_ += bytes.substr(0, 12 - first_.size());
    last_ += bytes;
    if (last_.size() > 5) last_.erase(0, last_.size() - 5);
  }
  // Of a connection that the server has ended.
  ChaosOutcome AtEnd() const {
    int status = 0;
    if (first_.size() < 12 || !absl::SimpleAtoi(first_.substr(9, 3), &status)) return ChaosOutcome::kClosed;
    if (status == 503) return ChaosOutcome::kUnavailable;
    // Transfer codings and versions of HTTP that the server does not know: it blames the request.
    if (status == 501 || status == 505) return ChaosOutcome::kRefused;
    if (status >= 500) return ChaosOutcome::kServerError;
    if (status >= 400) return ChaosOutcome::kRefused;
    return last_ == "0\r\n\r\n" || last_.ends_with('}') ? ChaosOutcome::kAnswered : ChaosOutcome::kClosed;
  }

 private:
  std::string first_, last_;
};

}  // namespace

Task<void> Troublemaker::Do(Mischief mischief, uint64_t index, std::string request) {
  Random random(options_.seed, Use::kChaosDetail, index);
  ChaosOutcome outcome = ChaosOutcome::kLeft;
  switch (mischief) {
    case Mischief::kNone: co_return;
    case Mischief::kCancel: outcome = co_await Cancel(random, std::move(request)); break;
    case Mischief::kSlow: outcome = co_await ReadSlowly(std::move(request)); break;
    case Mischief::kHalfClose: outcome = co_await HalfClose(std::move(request)); break;
    case Mischief::kGarbage: {
      std::string bytes = GarbageRequest(request, random);
      outcome = co_await Send(random, std::move(bytes));
      break;
    }
    case Mischief::kOversize: {
      std::string bytes = OversizeRequest(head_, path_, random);
      outcome = co_await Send(random, std::move(bytes));
      break;
    }
    case Mischief::kFlood: outcome = co_await Flood(random); break;
  }
  tally_.Add(mischief, outcome);
}

Task<ChaosOutcome> Troublemaker::ReadToEnd(Wire& wire) {
  std::array<char, 16 << 10> room;
  Answer answer;
  while (true) {
    auto [error, size] = co_await wire.Read(asio::buffer(room));
    if (error) co_return wire.past_deadline() ? ChaosOutcome::kLeft : answer.AtEnd();
    answer.Take(std::string_view(room.data(), size));
  }
}

Task<ChaosOutcome> Troublemaker::Cancel(Random random, std::string request) {
  Wire wire(io_);
  wire.SetDeadline(Clock::now() + options_.patience);
  const error_code error = co_await wire.Connect(target_);
  if (error) co_return ChaosOutcome::kNoConnection;
  if (random.Between(0, 1) == 1) wire.ResetOnClose();
  wire.SetDeadline(Clock::now() + Duration(random.Between(0, options_.cancel_within.count())));
  co_await wire.Write(request);
  const ChaosOutcome outcome = co_await ReadToEnd(wire);
  co_return outcome;
}

Task<ChaosOutcome> Troublemaker::ReadSlowly(std::string request) {
  Wire wire(io_);
  wire.SetDeadline(Clock::now() + options_.patience);
  const error_code error = co_await wire.Connect(target_, kSmallBuffer);
  if (error) co_return ChaosOutcome::kNoConnection;
  co_await wire.Write(request);
  std::vector<char> room(static_cast<size_t>(std::max<int64_t>(options_.slow_bytes_per_s / 10, 1)));
  // At fewer than ten bytes a second: a byte at a time, more seldom.
  const auto pause = options_.slow_bytes_per_s >= 10
                         ? Duration(kSlowStep)
                         : FromSeconds(1.0 / static_cast<double>(options_.slow_bytes_per_s));
  Answer answer;
  asio::steady_timer timer(io_);
  while (true) {
    auto [read_error, size] = co_await wire.Read(asio::buffer(room));
    if (read_error) co_return wire.past_deadline() ? ChaosOutcome::kLeft : answer.AtEnd();
    answer.Take(std::string_view(room.data(), size));
    timer.expires_after(pause);
    co_await timer.async_wait(kNoThrow);
  }
}

Task<ChaosOutcome> Troublemaker::HalfClose(std::string request) {
  Wire wire(io_);
  wire.SetDeadline(Clock::now() + options_.patience);
  const error_code error = co_await wire.Connect(target_);
  if (error) co_return ChaosOutcome::kNoConnection;
  co_await wire.Write(request);
  wire.EndWriting();
  const ChaosOutcome outcome = co_await ReadToEnd(wire);
  co_return outcome;
}

Task<ChaosOutcome> Troublemaker::Send(Random random, std::string bytes) {
  Wire wire(io_);
  wire.SetDeadline(Clock::now() + options_.patience);
  const error_code error = co_await wire.Connect(target_);
  if (error) co_return ChaosOutcome::kNoConnection;
  co_await wire.Write(bytes);  // may break off: what the server said about it is read all the same
  if (random.Between(0, 1) == 1) wire.EndWriting();
  const ChaosOutcome outcome = co_await ReadToEnd(wire);
  co_return outcome;
}

Task<ChaosOutcome> Troublemaker::Flood(Random random) {
  std::vector<std::unique_ptr<Wire>> wires;
  const TimePoint end = Clock::now() + options_.patience;
  for (int64_t i = 0; i < options_.flood_connections; ++i) {
    auto wire = std::make_unique<Wire>(io_);
    wire->SetDeadline(end);
    const error_code error = co_await wire->Connect(target_);
    if (error) break;
    if (random.Between(0, 1) == 1) co_await wire->Write("POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Half: ");
    wires.push_back(std::move(wire));
  }
  if (wires.empty()) co_return ChaosOutcome::kNoConnection;
  asio::steady_timer hold(io_, Clock::now() + Duration(random.Between(0, options_.cancel_within.count())));
  co_await hold.async_wait(kNoThrow);
  co_return ChaosOutcome::kLeft;
}

}  // namespace batucada::loadtest
