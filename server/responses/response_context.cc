#include "server/responses/response_context.h"

#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/generate/estimate.h"
#include "server/generate/work_attempt.h"
#include "server/responses/items.h"
#include "server/responses/stored_answer.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr int64_t kItemBytes = 64;  // of an item, beside its texts

absl::StatusOr<History> Locate(Service& service, StoreScope scope, const ResponseParams& params) {
  if (!params.conversation_id.empty()) {
    const absl::StatusOr<History> history = service.store->HistoryOfConversation(scope, params.conversation_id);
    if (!absl::IsNotFound(history.status())) return history.ok() ? history : StoreTrouble();
    return WithParameter(
        absl::NotFoundError(fmt::format("Conversation with id '{}' not found.", Printable(params.conversation_id))),
        "conversation", "conversation_not_found");
  }
  const std::string& previous = params.previous_response_id;
  if (previous.empty()) return History{};
  const absl::StatusOr<History> history = service.store->HistoryOfResponse(scope, previous);
  if (absl::IsFailedPrecondition(history.status())) {
    return InvalidParameter("previous_response_id",
                            fmt::format("previous_response_id: the response '{}' cannot be gone on from: {}",
                                        Printable(previous), std::string(history.status().message())));
  }
  if (!absl::IsNotFound(history.status())) return history.ok() ? history : StoreTrouble();
  return InvalidParameter("previous_response_id",
                          fmt::format("Previous response with id '{}' not found.", Printable(previous)),
                          "previous_response_not_found");
}

// An item's text, and what it becomes on its way to token ids.
int64_t ItemBytes(const StoredItem& item) {
  return kItemBytes + static_cast<int64_t>(item.json.size()) + ParsingBytes(item.json);
}

// Charges each, for a short request may name a long item often.
absl::Status FindReferences(Service& service, StoreScope scope, std::vector<StoredItem>* input, MemoryCharge* memory) {
  for (size_t i = 0; i < input->size(); ++i) {
    StoredItem& item = (*input)[i];
    if (!item.json.empty()) continue;
    absl::StatusOr<StoredItem> found = service.store->FindItem(scope, item.id);
    if (absl::IsNotFound(found.status())) {
      return WithParameter(absl::NotFoundError(fmt::format("Item with id '{}' not found.", Printable(item.id))),
                           fmt::format("input[{}].id", i), "item_not_found");
    }
    if (!found.ok()) return StoreTrouble();
    BATUCADA_RETURN_IF_ERROR(memory->Resize(memory->bytes() + ItemBytes(*found)));
    item = *std::move(found);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResponseContext> ReadContext(Service& service, const Client& client, ResponseParams* params) {
  ResponseContext context;
  BATUCADA_ASSIGN_OR_RETURN(context.history, Locate(service, client.key, *params));
  // A few bytes may stand for a past of megabytes, which is to be read and made tokens of.
  const auto larger = [] { return absl::UnavailableError("it is begun anew as what it is"); };
  if (WorkAttempt::Defer(context.history.bytes)) return larger();
  // Its texts before they are read; what they become is known of the texts.
  BATUCADA_ASSIGN_OR_RETURN(context.memory, service.memory.Charge(MemoryPart::kParsing, context.history.bytes));
  if (context.history.last != 0) {
    BATUCADA_ASSIGN_OR_RETURN(context.items, service.store->ReadHistory(context.history));
  }
  int64_t bytes = 0;
  for (const auto& item : context.items) bytes += kItemBytes + item->bytes + item->cost;
  BATUCADA_RETURN_IF_ERROR(context.memory.Resize(bytes));
  BATUCADA_RETURN_IF_ERROR(FindReferences(service, client.key, &params->input, &context.memory));
  int64_t given = context.history.bytes;
  for (const StoredItem& item : params->input) given += static_cast<int64_t>(item.json.size());
  if (WorkAttempt::Defer(given)) return larger();
  return context;
}

absl::StatusOr<bj::array> MessagesOf(const ResponseContext& context, const ResponseParams& params) {
  bj::array messages;
  BATUCADA_RETURN_IF_ERROR(AddHistory(context.items, &messages));
  BATUCADA_RETURN_IF_ERROR(AddInput(params.input, context.items, &messages));
  if (messages.empty()) return InvalidParameter("input", "input has no message: give one", "missing_parameter");
  return messages;
}

}  // namespace batucada
