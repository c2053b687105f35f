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
    const auto last = static_cast<int32_t>(told_.count() - 1);
    if (calls.empty() || calls.rbegin()->index() != last) calls.Add()->set_index(last);
    return &*calls.rbegin();
  };
  for (AnswerPiece& piece : pieces.Take()) {
    switch (piece.kind) {
      case AnswerPiece::Kind::kText: message->mutable_text()->append(piece.text); break;
      case AnswerPiece::Kind::kThinking: message->mutable_reasoning_content()->append(piece.text); break;
      case AnswerPiece::Kind::kCall: {
        told_.Begin();
        v1::ToolCallPiece* made = call();
        made->set_id(NewCallId(form_->calls));
        made->set_name(std::move(piece.text));
        break;
      }
      case AnswerPiece::Kind::kArguments:
        told_.AddArguments(piece.text);
        call()->mutable_arguments()->append(piece.text);
        break;
    }
  }
  if (finish && EndedWithCalls(*finish, told_)) message->set_finish_reason(v1::FINISH_REASON_TOOL_CALLS);
}

}  // namespace batucada
