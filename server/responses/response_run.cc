#include "server/responses/response_run.h"

#include <utility>

#include <fmt/format.h>

#include "absl/time/clock.h"
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
      record_(std::move(draft.record)), memory_(std::move(draft.memory)),
      output_(service.engine.tokenizer(), draft.form, std::move(draft.answer)), group_(std::move(group)) {
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
    output_.Take(update);
    if (update.finish) finish_ = std::move(update.finish);
  });
  if (!group_->done()) return false;
  const absl::Status& failure = group_->failure();
  object_.completed = absl::ToUnixSeconds(absl::Now());
  object_.usage = group_->usage();
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
  output_.Finish(whole ? OutputItem::State::kWhole : OutputItem::State::kCut);
  return true;
}

StoredResponse ResponseRun::MakeRecord() {
  record_.json = object_.Json();
  record_.output = output_.Stored();
  const bool failed = object_.status == ResponseStatus::kFailed;
  record_.state = failed ? ResponseState::kFailed : ResponseState::kEnded;
  return std::move(record_);
}

// A copy of what it made, for the store: twice a text's bytes, for what JSON escapes, and its log-probabilities.
int64_t ResponseRun::RecordBytes() const {
  constexpr int64_t kLogprobBytes = 256;
  int64_t bytes = 0;
  for (const OutputItem& item : output_.items()) {
    bytes += 2 * static_cast<int64_t>(item.text.size()) + kLogprobBytes * static_cast<int64_t>(item.tokens.size());
  }
  return bytes;
}

void ResponseRun::Keep(const std::function<void()>& wake) {
  if (keeping_ != nullptr) return;
  keeping_ = std::make_shared<Keeping>();
  absl::Status room = object_.store ? memory_.Resize(memory_.bytes() + RecordBytes()) : absl::OkStatus();
  if (!object_.store || !room.ok()) {
    service_.responses.Remove(object_.id);
    keeping_->done = true;
    keeping_->status = std::move(room);
    return;
  }
  keeping_->wake = wake;
  auto record = std::make_shared<StoredResponse>(MakeRecord());
  auto memory = std::make_shared<MemoryCharge>(std::move(memory_));
  service_.store_thread.Post([&service = service_, scope = scope_, record, memory, keeping = keeping_] {
    absl::Status status = service.store->PutResponse(scope, *record);
    service.responses.Remove(record->id);
    const std::lock_guard lock(keeping->mutex);
    keeping->status = std::move(status);
    keeping->done = true;
    if (keeping->wake) keeping->wake();  // under the lock, so that none comes when nobody waits any more
  });
}

void ResponseRun::KeepNow() {
  if (keeping_ != nullptr) return;
  keeping_ = std::make_shared<Keeping>();
  if (object_.store) keeping_->status = service_.store->PutResponse(scope_, MakeRecord());
  service_.responses.Remove(object_.id);
  keeping_->done = true;
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
  BATUCADA_WRITE(output_.Write(json));
  json.EndObject();
}

}  // namespace batucada
