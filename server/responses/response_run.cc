#include "server/responses/response_run.h"

#include <atomic>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "absl/time/clock.h"
#include "base/status.h"
#include "server/common/error.h"

namespace batucada {

absl::Status StoreFailure(const absl::Status& status) {
  const std::string reason(status.message());
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return WithParameter(absl::NotFoundError("it could not be kept: what it goes on from was deleted meanwhile"), "",
                           "not_found");
    case absl::StatusCode::kResourceExhausted:
      return WithParameter(absl::ResourceExhaustedError(fmt::format("it could not be kept: {}", reason)), "",
                           "request_too_large");
    case absl::StatusCode::kInvalidArgument:
      return WithParameter(absl::InvalidArgumentError(fmt::format("it could not be kept: {}", reason)), "",
                           "too_many_items");
    default:
      return WithParameter(absl::UnavailableError("it could not be kept: the server's store cannot be written"), "",
                           "store_unavailable");
  }
}

ResponseRun::ResponseRun(Service& service, ResponseDraft draft, std::unique_ptr<GenerationGroup> group)
    : service_(service), object_(std::move(draft.object)), begun_(object_.Json("[]")), scope_(draft.scope),
      client_(draft.client), record_(std::move(draft.record)), memory_(std::move(draft.memory)),
      output_(std::make_shared<ResponseOutput>(service.engine.tokenizer(), draft.form, std::move(draft.answer))),
      group_(std::move(group)) {
  group_->KeepWhole();
  service_.responses.Add(object_.id, {.key = scope_, .json = begun_, .sequences = group_->sequences()});
}

ResponseRun::~ResponseRun() {
  if (keeping_ == nullptr) {
    service_.responses.Remove(object_.id);
    return;
  }
  const std::lock_guard lock(keeping_->mutex);
  keeping_->wake = nullptr;
}

bool ResponseRun::Poll() {
  if (object_.status != ResponseStatus::kInProgress) return true;
  group_->Poll([this](size_t, Update& update) {
    output_->Take(update);
    if (update.finish) finish_ = std::move(update.finish);
  });
  if (!group_->done()) return false;
  const absl::Status& failure = group_->failure();
  object_.completed = absl::ToUnixSeconds(absl::Now());
  object_.usage = group_->usage();
  object_.reasoning_tokens = output_->reasoning_tokens();
  if (absl::IsCancelled(failure)) {
    object_.status = ResponseStatus::kCancelled;
  } else if (!failure.ok()) {
    object_.status = ResponseStatus::kFailed;
    object_.failure = failure;
  } else if (finish_ && finish_->reason == FinishReason::kLength) {
    object_.status = ResponseStatus::kIncomplete;
  } else {
    object_.status = ResponseStatus::kCompleted;
  }
  const bool whole = object_.status == ResponseStatus::kCompleted;
  output_->Finish(whole ? OutputItem::State::kWhole : OutputItem::State::kCut);
  return true;
}

StoredResponse ResponseRun::MakeRecord() {
  record_.json = object_.Json();
  const bool failed = object_.status == ResponseStatus::kFailed;
  record_.state = failed ? ResponseState::kFailed : ResponseState::kEnded;
  return std::move(record_);
}

// A copy of what it made, for the store: twice a text's bytes, for what JSON escapes, and its log-probabilities.
int64_t ResponseRun::RecordBytes() const {
  constexpr int64_t kLogprobBytes = 96;
  int64_t bytes = 0;
  for (const OutputItem& item : output_->items()) {
    bytes += 2 * static_cast<int64_t>(item.text.size());
    for (const TokenResult& token : item.tokens) bytes += kLogprobBytes * static_cast<int64_t>(1 + token.top.size());
  }
  return bytes;
}

void ResponseRun::Keeping::End(absl::Status how) {
  const std::lock_guard lock(mutex);
  status = std::move(how);
  done = true;
  if (wake) wake();  // under the lock, so that none comes when nobody waits any more
}

void ResponseRun::Keep(const std::function<void()>& wake) {
  if (keeping_ != nullptr) return;
  keeping_ = std::make_shared<Keeping>();
  const absl::Status posted = object_.store ? Post() : absl::OkStatus();
  const std::lock_guard lock(keeping_->mutex);
  if (object_.store && posted.ok()) {
    keeping_->wake = wake;
    if (keeping_->done) wake();
    return;
  }
  service_.responses.Remove(object_.id);
  keeping_->done = true;
  keeping_->status = posted;
}

absl::Status ResponseRun::MakeRoom(int64_t bytes) {
  // What the store would refuse, since a record may have a quarter of it, is not even made: JSON is half of what
  // RecordBytes thinks at least.
  if (bytes / 2 > service_.config.store.size() / 4) {
    return absl::ResourceExhaustedError("it is longer than a quarter of --store-size, the most that is kept of one");
  }
  return memory_.Resize(memory_.bytes() + bytes);
}

void ResponseRun::KeepNow() {
  if (keeping_ != nullptr) return;
  keeping_ = std::make_shared<Keeping>();
  absl::Status status;
  if (object_.store) status = MakeRoom(RecordBytes());
  if (object_.store && status.ok()) {
    StoredResponse record = MakeRecord();
    record.output = output_->Stored();
    status = service_.store->PutResponse(scope_, record);
    if (!status.ok()) record.output = {};
    record_ = std::move(record);
  }
  if (object_.store && !status.ok()) {
    // Nobody else is told: it is there as one that failed, if that much can be kept.
    object_.status = ResponseStatus::kFailed;
    object_.failure = StoreFailure(status);
    service_.store->PutResponse(scope_, MakeRecord()).IgnoreError();
  }
  service_.responses.Remove(object_.id);
  keeping_->End(std::move(status));
}

absl::Status ResponseRun::Post() {
  constexpr int64_t kLong = 64 << 10;
  const int64_t bytes = RecordBytes();
  BATUCADA_RETURN_IF_ERROR(MakeRoom(bytes));
  auto record = std::make_shared<StoredResponse>(MakeRecord());
  auto memory = std::make_shared<MemoryCharge>(std::move(memory_));
  auto store = [&service = service_, scope = scope_, record, memory, keeping = keeping_] {
    absl::Status status = service.store->PutResponse(scope, *record);
    service.responses.Remove(record->id);
    keeping->End(std::move(status));
  };
  if (bytes <= kLong) {
    record->output = output_->Stored();
    service_.store_thread.Post(client_.id(), std::move(store));
    return absl::OkStatus();
  }
  const auto write = [&service = service_, client = client_.id(), output = output_, record, keeping = keeping_,
                      store = std::move(store), begun = std::make_shared<std::atomic<bool>>()] {
    if (begun->exchange(true)) return;
    try {
      record->output = output->Stored();
      service.store_thread.Post(client, store);
    } catch (const std::bad_alloc&) {
      service.responses.Remove(record->id);
      keeping->End(OutOfMemory());
    }
  };
  // At the end of the process nobody waits behind it any more: what was answered is kept all the same.
  const absl::Status posted =
      service_.workers.TryPost(client_, bytes, write, [write](const absl::Status&) { write(); });
  if (!absl::IsUnavailable(posted)) return posted;
  write();
  return absl::OkStatus();
}

bool ResponseRun::kept() {
  if (told_) return true;
  if (keeping_ == nullptr) return false;
  const std::lock_guard lock(keeping_->mutex);
  if (!keeping_->done) return false;
  told_ = true;
  if (!keeping_->status.ok()) object_.store_failure = StoreFailure(keeping_->status);
  return true;
}

Pieces ResponseRun::Write(JsonWriter& json) const {
  json.BeginObject();
  object_.WriteMembers(json);
  json.Key("output");
  BATUCADA_WRITE(output_->Write(json));
  json.EndObject();
}

}  // namespace batucada
