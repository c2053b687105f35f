// /v1/conversations: items that responses go on from and add to.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/json/parameter_table.h"
#include "server/store/records.h"

namespace batucada {

struct ConversationParams {
  std::vector<StoredItem> items;
  boost::json::object metadata;
};

const ParameterTable<ConversationParams>& CreateConversationParameters();
const ParameterTable<ConversationParams>& UpdateConversationParameters();
const ParameterTable<ConversationParams>& CreateItemsParameters();

// All thread-safe; they wait for the store. Conversations of other keys are not there.
Answer HandleCreateConversation(Service& service, const HttpRequest& request);
Answer HandleGetConversation(Service& service, const HttpRequest& request);
Answer HandleUpdateConversation(Service& service, const HttpRequest& request);
Answer HandleDeleteConversation(Service& service, const HttpRequest& request);
Answer HandleListItems(Service& service, const HttpRequest& request);
Answer HandleCreateItems(Service& service, const HttpRequest& request);
Answer HandleGetItem(Service& service, const HttpRequest& request);
Answer HandleDeleteItem(Service& service, const HttpRequest& request);

}  // namespace batucada
