#include "server/kv_events/kv_event_publisher.h"

#include <pthread.h>

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status.h"
#include "server/kv_events/event_batch.h"
#include "server/kv_events/msgpack.h"

namespace batucada {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(10);   // what is told comes so much later than it happens
constexpr int64_t kMostIds = 64 << 10;                         // taken at once: tens of microseconds of copying
constexpr int32_t kReplayQueue = 64;                           // batches on their way to one who has missed some
constexpr size_t kMostReplays = 16;                            // at once; others wait
constexpr int kMostRequests = 64;                              // looked at before others have their turn
constexpr absl::Duration kReplayPatience = absl::Seconds(30);  // with one who takes nothing
constexpr int kBatchesAtOnce = 64;                             // to one of them, then it is the next one's turn

std::string Number(uint64_t number) {
  std::string bytes;
  msgpack::AppendBytes(number, 8, &bytes);
  return bytes;
}

std::optional<uint64_t> ReadNumber(const std::string& bytes) {
  if (bytes.size() != 8) return std::nullopt;
  uint64_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

// What an event adds to its batch, in parts of the most that one may hold.
size_t SizeOf(const KvEvent& event) {
  if (const auto* const stored = std::get_if<BlocksStored>(&event))
    return stored->tokens.size() + stored->hashes.size();
  if (const auto* const removed = std::get_if<BlocksRemoved>(&event)) return removed->hashes.size();
  return 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvEventPublisher>> KvEventPublisher::Start(const KvEventsConfig& config, Take take,
                                                                          Metrics& metrics) {
  std::unique_ptr<KvEventPublisher> publisher(new KvEventPublisher(config, std::move(take), metrics));
  BATUCADA_RETURN_IF_ERROR(publisher->Open());
  publisher->thread_ = std::thread([it = publisher.get()] { it->Run(); });
  return publisher;
}

KvEventPublisher::KvEventPublisher(const KvEventsConfig& config, Take take, Metrics& metrics)
    : config_(config), take_(std::move(take)), metrics_(metrics),
      publish_(context_, ZmqSocket::Kind::kPublish, config.queue_batches), chains_(config.block_tokens),
      buffer_(config.replay_bytes, static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()))) {}

KvEventPublisher::~KvEventPublisher() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

absl::Status KvEventPublisher::Open() {
  if (ListensAt(config_.endpoint)) {
    BATUCADA_RETURN_IF_ERROR(publish_.Listen(config_.endpoint));
  } else {
    BATUCADA_RETURN_IF_ERROR(publish_.Connect(config_.endpoint));
  }
  endpoint_ = publish_.endpoint();
  if (config_.replay_endpoint.empty()) return absl::OkStatus();
  answer_.emplace(context_, ZmqSocket::Kind::kAnswer, kReplayQueue);
  BATUCADA_RETURN_IF_ERROR(answer_->Listen(config_.replay_endpoint));
  replay_endpoint_ = answer_->endpoint();
  return absl::OkStatus();
}

void KvEventPublisher::Run() {
  pthread_setname_np(pthread_self(), "batucada-kv");
  Publish({AllBlocksCleared()});
  std::vector<KvEvent> events;
  for (bool more = false; !stopping_;) {
    const absl::Duration patience = more ? absl::ZeroDuration() : kPatience;
    if (!answer_ || replays_.size() >= kMostReplays) {
      absl::SleepFor(patience);  // requests that are not taken would end the waiting at once
    } else {
      answer_->Wait(patience);
    }
    if (answer_) {
      TakeRequests();
      Answer();
    }
    const PrefixChanges changes = take_(kMostIds, config_.block_tokens);
    more = changes.more;
    if (changes.empty()) continue;
    chains_.Apply(changes, &events);
    Publish(events);
    events.clear();
    metrics_.SetKvBlocks(chains_.blocks());
  }
  Publish({AllBlocksCleared()});
}

void KvEventPublisher::Publish(const std::vector<KvEvent>& events) {
  for (size_t begin = 0; begin < events.size();) {
    size_t end = begin + 1;
    for (size_t size = SizeOf(events[begin]); end < events.size(); ++end) {
      size += SizeOf(events[end]);
      if (size > BlockChains::kMostTokens) break;
    }
    PublishBatch(std::span(events).subspan(begin, end - begin));
    begin = end;
  }
}

void KvEventPublisher::PublishBatch(std::span<const KvEvent> events) {
  std::string batch =
      EncodeBatch(events, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()), config_.block_tokens, config_.form);
  uint64_t stored = 0, removed = 0;
  for (const KvEvent& event : events) {
    if (const auto* const it = std::get_if<BlocksStored>(&event)) stored += it->hashes.size();
    if (const auto* const it = std::get_if<BlocksRemoved>(&event)) removed += it->hashes.size();
  }
  publish_.Send({config_.topic, Number(buffer_.next()), batch});
  buffer_.Add(std::move(batch));
  metrics_.OnKvEventBatch(stored, removed);
}

void KvEventPublisher::TakeRequests() {
  // Who, an empty part, and a number. What does not fit in waits where it came in.
  constexpr size_t kParts = 3;
  for (int i = 0; i < kMostRequests && replays_.size() < kMostReplays; ++i) {
    std::optional<std::vector<std::string>> request = answer_->Receive(kParts + 1);
    if (!request) return;
    if (request->size() != kParts) continue;
    const std::optional<uint64_t> from = ReadNumber(request->back());
    if (!from) continue;
    const std::string& peer = request->front();
    std::erase_if(replays_, [&peer](const Replay& replay) { return replay.peer == peer; });
    metrics_.OnKvEventReplay(buffer_.HasAllFrom(*from));
    replays_.push_back({.peer = peer, .next = *from, .until = ProcessNow() + kReplayPatience});
  }
}

void KvEventPublisher::Answer() {
  for (size_t i = replays_.size(); i > 0; --i) {
    Replay replay = std::move(replays_.front());
    replays_.pop_front();
    if (!AnswerSome(replay)) replays_.push_back(std::move(replay));
  }
}

bool KvEventPublisher::AnswerSome(Replay& replay) {
  for (int i = 0; i < kBatchesAtOnce; ++i) {
    replay.next = std::max(replay.next, buffer_.first());
    const bool last = replay.next >= buffer_.next();
    const ZmqSocket::Sent sent = last ? answer_->Send({replay.peer, "", Number(UINT64_MAX), ""})
                                      : answer_->Send({replay.peer, "", Number(replay.next), buffer_.At(replay.next)});
    if (sent == ZmqSocket::Sent::kLater) return ProcessNow() >= replay.until;
    if (last || sent == ZmqSocket::Sent::kNobody) return true;
    replay.until = ProcessNow() + kReplayPatience;
    ++replay.next;
  }
  return false;
}

}  // namespace batucada
