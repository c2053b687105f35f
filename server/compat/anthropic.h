// Anthropic's Messages API, as far as text, tools and thinking go.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/compat/dialect.h"
#include "server/json/parameter_table.h"

namespace batucada {

enum class MessagesCall : uint8_t { kCreate, kCount };

// The body of POST /v1/messages and of /v1/messages/count_tokens: the parameters of a conversation. INVALID_ARGUMENT
// names the place: "messages[1].content[0].type".
absl::StatusOr<CompletionParams> ParseMessages(MessagesCall call, std::string_view body, UnknownMembers* unknown);
boost::json::object MessagesRequestSchema(MessagesCall call, UnknownMembers::Policy unknown);

// A message, or the events that make one.
std::unique_ptr<Dialect> MakeMessagesDialect();

}  // namespace batucada
