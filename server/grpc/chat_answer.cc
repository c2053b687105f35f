#include "server/grpc/chat_answer.h"

#include <utility>

#include "server/generate/finish_answer.h"
#include "server/openai/call_id.h"

namespace batucada {

void ChatAnswer::Take(const std::string& text, const std::optional<Finish>& finish, v1::GenerateResponse* message) {
  AnswerPieces pieces;
  parser_.Add(text, &pieces);
  if (finish) FinishAnswer(parser_, *form_, *finish, &pieces);
  const auto call = [&] {  // the message's, of the call that was begun last
    auto& calls = *message->mutable_tool_calls();
    if (calls.empty() || calls.rbegin()->index() != calls_ - 1) calls.Add()->set_index(calls_ - 1);
    return &*calls.rbegin();
  };
  for (AnswerPiece& piece : pieces.Take()) {
    switch (piece.kind) {
      case AnswerPiece::Kind::kText: message->mutable_text()->append(piece.text); break;
      case AnswerPiece::Kind::kThinking: message->mutable_reasoning_content()->append(piece.text); break;
      case AnswerPiece::Kind::kCall: {
        ++calls_;
        v1::ToolCallPiece* made = call();
        made->set_id(NewCallId(form_->calls));
        made->set_name(std::move(piece.text));
        break;
      }
      case AnswerPiece::Kind::kArguments: call()->mutable_arguments()->append(piece.text); break;
    }
  }
  if (calls_ > 0 && message->finish_reason() == v1::FINISH_REASON_STOP) {
    message->set_finish_reason(v1::FINISH_REASON_TOOL_CALLS);
  }
}

}  // namespace batucada
