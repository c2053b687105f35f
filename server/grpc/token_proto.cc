#include "server/grpc/token_proto.h"

namespace batucada {

void ToProto(const TokenResult& token, bool with_logprob, v1::Token* out) {
  out->set_id(token.id);
  if (!with_logprob) return;
  out->set_logprob(token.logprob);
  out->set_rank(token.rank);
  for (const TokenLogprob& top : token.top) {
    v1::TokenLogprob* alternative = out->add_top_logprobs();
    alternative->set_id(top.id);
    alternative->set_logprob(top.logprob);
  }
}

v1::FinishReason ToProto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return v1::FINISH_REASON_STOP;
    case FinishReason::kLength: return v1::FINISH_REASON_LENGTH;
    case FinishReason::kShutdown: return v1::FINISH_REASON_SHUTDOWN;
    default: return v1::FINISH_REASON_UNSPECIFIED;  // the call's status says it
  }
}

}  // namespace batucada
