// GetCheckpoint and PutCheckpoint of batucada.v1: a session's state from one server to another, as the bytes of one
// file (server/common/state_file.h) in parts.
//
// Who may: whoever asks for its own session. Where states are used for texts of several clients (no keys, or
// --prefix-cache-scope server), a state that was made up would change others' answers, so there only administrators
// and, without keys, the machine itself may put one.
#pragma once

#include <optional>
#include <string>

#include "server/generate/service.h"
#include "server/grpc/call.h"
#include "server/memory/account.h"
#include "server/net/patience.h"

namespace batucada {

class GetCheckpointCall : public CallHandler {
 public:
  GetCheckpointCall(Service& service, Call& call) : CallHandler(call), service_(service) {}
  void OnMessage(WireMessage message) override;
  void OnDrained() override { Pump(); }

 private:
  struct Exported {
    std::string file;
    MemoryCharge memory;
  };
  static absl::StatusOr<std::shared_ptr<Exported>> Export(Service& service, const WireMessage& message,
                                                          const CallInfo& info);
  void Pump();

  Service& service_;
  std::shared_ptr<Exported> exported_;
  size_t sent_ = 0;
};

class PutCheckpointCall : public CallHandler {
 public:
  PutCheckpointCall(Service& service, Call& call)
      : CallHandler(call), service_(service),
        patience_(service.config.http.read_timeout, service.config.http.min_transfer_rate) {}
  void OnMessage(WireMessage message) override;
  void OnEnd() override;
  void OnTick() override;
  bool idle() const override { return !working_ && heard_ == absl::InfinitePast(); }

 private:
  struct Received {
    std::string session;
    std::string file;
    MemoryCharge memory;
  };
  absl::Status Take(const WireMessage& message);
  absl::Status CheckEnd(size_t more) const;
  // Room for so many bytes of the file, charged.
  absl::Status MakeRoom(size_t bytes);

  Service& service_;
  std::shared_ptr<Received> received_ = std::make_shared<Received>();
  absl::Time heard_ = absl::InfinitePast();  // when the newest part came
  Patience patience_;
  bool begun_ = false;     // the head was there, and is sound
  size_t file_bytes_ = 0;  // as it says
  bool working_ = false;
};

}  // namespace batucada
