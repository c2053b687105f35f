// The answer of one choice of Chat as it comes: thinking, text and calls of tools, each to its own fields.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "batucada/v1/batucada.pb.h"
#include "engine/core/request.h"
#include "text/answer/answer_parser.h"
#include "text/answer/told_calls.h"

namespace batucada {

// Used by one thread at a time.
class ChatAnswer {
 public:
  // REQUIRES: the form is not plain.
  explicit ChatAnswer(std::shared_ptr<const AnswerForm> form) : form_(form), parser_(std::move(form)) {}

  // Adds what more of the text, and its end, come to.
  void Take(const std::string& text, const std::optional<Finish>& finish, v1::GenerateResponse* message);

 private:
  const std::shared_ptr<const AnswerForm> form_;
  AnswerParser parser_;
  ToldCalls told_;
};

}  // namespace batucada
