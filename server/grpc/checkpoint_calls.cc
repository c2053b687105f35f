#include "server/grpc/checkpoint_calls.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "batucada/v1/batucada.pb.h"
#include "server/common/error.h"
#include "server/common/state_file.h"
#include "server/generate/session_name.h"
#include "server/generate/translate.h"
#include "server/grpc/methods.h"
#include "server/grpc/offload.h"

namespace batucada {
namespace {

constexpr size_t kPartBytes = 256 << 10;
constexpr absl::Duration kMostWait = absl::Seconds(10);  // for a state to get to the host's memory
// What a file may have besides a state: names, and ids of the longest text.
constexpr int64_t kMostBesides = 1 << 20;

bool IsShared(const Service& service, const Client& client) {
  return client.key == 0 || service.config.prefix_cache_scope == PrefixCacheScope::kServer;
}

absl::Status CheckMayPut(const Service& service, const Client& client) {
  const bool own_machine = client.loopback && !service.keys.required();
  if (!IsShared(service, client) || client.rights.admin || own_machine) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "states are used for everybody's texts here: only a key with the right admin may put one, or without keys the "
      "machine itself");
}

absl::Status CheckName(const std::string& session) {
  if (session.empty()) return InvalidParameter("session", "session is missing", "missing_parameter");
  return CheckSessionName("session", session);
}

// Of a scope (CacheScope), what the client gave.
std::string SaltOf(const std::string& scope) { return scope.substr(std::min(scope.find(':') + 1, scope.size())); }

// Posts `work` and, back on the call's thread, `done`.
template <typename T>
void RunInPool(Service& service, const std::shared_ptr<CallHandler>& handler, Call& call, int64_t bytes,
               std::function<absl::StatusOr<T>()> work, std::function<void(absl::StatusOr<T>)> done) {
  const RequestOrigin origin = call.info().origin;
  const std::weak_ptr<CallHandler> weak = handler;
  const auto tell = TellOnce<T>(handler, call, std::move(done));
  const absl::Status refusal = service.workers.TryPost(
      origin.client, bytes,
      [weak, origin, work = std::move(work), tell] {
        if (!weak.expired()) tell(RunGuarded(work, origin));
      },
      tell);
  if (!refusal.ok()) call.Finish(refusal);
}

}  // namespace

void GetCheckpointCall::OnMessage(WireMessage message) {
  auto held = std::make_shared<WireMessage>(std::move(message));
  using Result = std::shared_ptr<Exported>;
  RunInPool<Result>(
      service_, shared_from_this(), call(), static_cast<int64_t>(kPartBytes),
      [held, info = info(), &service = service_] { return Export(service, *held, info); },
      [this](const absl::StatusOr<Result>& exported) {
        if (!exported.ok()) return call().Finish(exported.status());
        exported_ = *exported;
        Pump();
      });
}

absl::StatusOr<std::shared_ptr<GetCheckpointCall::Exported>> GetCheckpointCall::Export(Service& service,
                                                                                       const WireMessage& message,
                                                                                       const CallInfo& info) {
  v1::GetCheckpointRequest request;
  BATUCADA_ASSIGN_OR_RETURN(const MemoryCharge parsing, DecodeCharged(service, message, &request));
  BATUCADA_RETURN_IF_ERROR(CheckName(request.session()));
  auto exported = std::make_shared<Exported>();
  const absl::Time deadline = std::min(info.deadline, ProcessNow() + kMostWait);
  // The state and the file of it, for a moment.
  const auto charge = [&](int64_t bytes) -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(exported->memory, service.memory.Charge(MemoryPart::kAnswer, 2 * bytes + kMostBesides));
    return absl::OkStatus();
  };
  StateFile file = {.session = request.session()};
  BATUCADA_ASSIGN_OR_RETURN(
      file.state, service.engine.sessions().Export(info.origin.client.key, request.session(), deadline, charge));
  file.state.salt = SaltOf(file.state.salt);
  exported->file = WriteStateFile(std::move(file));
  BATUCADA_RETURN_IF_ERROR(exported->memory.Resize(static_cast<int64_t>(exported->file.size())));
  return exported;
}

void GetCheckpointCall::Pump() {
  while (exported_ != nullptr && call().drained()) {
    if (sent_ == exported_->file.size()) return call().Finish(absl::OkStatus());
    v1::CheckpointPart part;
    const size_t size = std::min(kPartBytes, exported_->file.size() - sent_);
    part.set_data(exported_->file.data() + sent_, size);
    sent_ += size;
    call().Send(part);
    if (over()) return;
  }
}

void PutCheckpointCall::OnMessage(WireMessage message) {
  if (working_) return;
  const absl::Time now = ProcessNow();
  if (heard_ != absl::InfinitePast()) patience_.OnWaited(now - heard_);
  patience_.OnMoved(message.bytes.size());
  heard_ = now;
  if (const absl::Status status = Take(message); !status.ok()) call().Finish(status);
}

absl::Status PutCheckpointCall::Take(const WireMessage& message) {
  BATUCADA_RETURN_IF_ERROR(CheckMayPut(service_, info().origin.client));
  MessageBounds bounds = BoundsOf(service_);
  v1::PutCheckpointRequest request;
  BATUCADA_ASSIGN_OR_RETURN(
      const MemoryCharge decoding,
      service_.memory.Charge(MemoryPart::kParsing, message.encoding == MessageEncoding::kIdentity
                                                       ? static_cast<int64_t>(message.bytes.size())
                                                       : bounds.bytes));
  BATUCADA_RETURN_IF_ERROR(DecodeMessage(message, bounds, &request));
  Received& received = *received_;
  if (!request.session().empty()) {
    BATUCADA_RETURN_IF_ERROR(CheckName(request.session()));
    if (!received.session.empty() && received.session != request.session()) {
      return InvalidParameter("session",
                              fmt::format("session is {}, and was {} in an earlier message: a state has one",
                                          Printable(request.session()), Printable(received.session)),
                              "invalid_value");
    }
    received.session = request.session();
  }
  if (!begun_) {
    // A file that is none is refused by its first bytes.
    received.file += request.data();
    if (received.file.size() < kStateFileHeadBytes) return absl::OkStatus();
    BATUCADA_ASSIGN_OR_RETURN(const StateFileHead head, ReadStateFileHead(received.file));
    // The file, and what is read of it. What does not fit now is refused at once; what fits is charged as it comes, for
    // what a head says costs its sender nothing.
    BATUCADA_ASSIGN_OR_RETURN(received.memory, service_.memory.Charge(MemoryPart::kBody, 2 * head.bytes));
    BATUCADA_RETURN_IF_ERROR(received.memory.Resize(0));
    begun_ = true;
    file_bytes_ = static_cast<size_t>(head.bytes);
    BATUCADA_RETURN_IF_ERROR(CheckEnd(0));
    return MakeRoom(received.file.size());
  }
  BATUCADA_RETURN_IF_ERROR(CheckEnd(request.data().size()));
  BATUCADA_RETURN_IF_ERROR(MakeRoom(received.file.size() + request.data().size()));
  received.file += request.data();
  return absl::OkStatus();
}

absl::Status PutCheckpointCall::CheckEnd(size_t more) const {
  if (received_->file.size() + more <= file_bytes_) return absl::OkStatus();
  return absl::DataLossError("the file goes on behind its end");
}

absl::Status PutCheckpointCall::MakeRoom(size_t bytes) {
  const auto room = static_cast<size_t>(received_->memory.bytes()) / 2;
  if (bytes <= room) return absl::OkStatus();
  const size_t more = std::min(file_bytes_, std::max({bytes, 2 * room, kPartBytes}));
  BATUCADA_RETURN_IF_ERROR(received_->memory.Resize(2 * static_cast<int64_t>(more)));
  received_->file.reserve(more);
  return absl::OkStatus();
}

void PutCheckpointCall::OnEnd() {
  if (std::exchange(working_, true)) return;
  using Result = v1::PutCheckpointResponse;
  RunInPool<Result>(
      service_, shared_from_this(), call(), static_cast<int64_t>(received_->file.size()),
      [received = received_, info = info(), &service = service_]() -> absl::StatusOr<Result> {
        BATUCADA_RETURN_IF_ERROR(CheckMayPut(service, info.origin.client));
        BATUCADA_ASSIGN_OR_RETURN(const StateFile file, ReadStateFile(received->file));
        const std::string& session = received->session.empty() ? file.session : received->session;
        BATUCADA_RETURN_IF_ERROR(CheckName(session));
        if (file.state.salt.size() > kMaxCacheSaltBytes) return absl::DataLossError("the file's salt is too long");
        const std::string scope = CacheScope(service.translation(info.origin.client), file.state.salt);
        BATUCADA_RETURN_IF_ERROR(service.engine.sessions().Import(info.origin.client.key, session, scope, file.state));
        Result result;
        result.set_session(session);
        result.set_tokens(static_cast<int64_t>(file.state.ids.size()));
        return result;
      },
      [this](const absl::StatusOr<Result>& result) {
        if (result.ok()) call().Send(*result);
        call().Finish(result.status());
      });
}

void PutCheckpointCall::OnTick() {
  if (working_ || heard_ == absl::InfinitePast()) return;
  if (ProcessNow() - heard_ < patience_.left()) return;
  call().Finish(absl::DeadlineExceededError(
      "the next part of the state did not come in time (--read-timeout, --min-transfer-rate)"));
}

void AddCheckpointMethods(Service& service, GrpcMethods* methods) {
  methods->emplace(
      "/batucada.v1.Inference/GetCheckpoint",
      MethodOf<GetCheckpointCall>(service, "GetCheckpoint", "grpc.get_checkpoint", GrpcMethod::Requests::kOne));
  methods->emplace(
      "/batucada.v1.Inference/PutCheckpoint",
      MethodOf<PutCheckpointCall>(service, "PutCheckpoint", "grpc.put_checkpoint", GrpcMethod::Requests::kStream));
}

}  // namespace batucada
