// The engine's results as messages of batucada.v1.
#pragma once

#include "batucada/v1/batucada.pb.h"
#include "engine/core/request.h"

namespace batucada {

void ToProto(const TokenResult& token, bool with_logprob, v1::Token* out);
// UNSPECIFIED for ends that the call's status tells.
v1::FinishReason ToProto(FinishReason reason);

// Sets finish_reason and what stopped it. `Message` is a GenerateResponse or a CompleteResponse::Choice.
template <typename Message>
void SetFinish(const Finish& finish, Message* message) {
  message->set_finish_reason(ToProto(finish.reason));
  if (finish.stop_string) message->set_stop_string(*finish.stop_string);
  if (finish.stop_token) message->set_stop_token_id(*finish.stop_token);
}

}  // namespace batucada
