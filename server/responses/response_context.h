// What comes before a response's input: of the response that it goes on from, or of its conversation.
#pragma once

#include <memory>
#include <vector>

#include <boost/json/array.hpp>

#include "absl/status/statusor.h"
#include "server/generate/service.h"
#include "server/memory/account.h"
#include "server/responses/response_request.h"
#include "server/store/item_memory.h"
#include "server/store/records.h"

namespace batucada {

struct ResponseContext {
  History history;
  std::vector<std::shared_ptr<const KnownItem>> items;
  MemoryCharge memory;  // for the items, and what they become
};

// NOT_FOUND names the parameter whose id is not there for this client; references among params->input are replaced by
// what they refer to. RESOURCE_EXHAUSTED if there is no memory to read it. Waits for the store.
absl::StatusOr<ResponseContext> ReadContext(Service& service, const Client& client, ResponseParams* params);

// All that the model is given, in order, as messages: what comes before, and the input.
absl::StatusOr<boost::json::array> MessagesOf(const ResponseContext& context, const ResponseParams& params);

}  // namespace batucada
