// Items: what a response is given and is made of, in the shape of OpenAI's Responses, as they are kept; and the
// messages that a chat template makes of them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

#include "absl/status/statusor.h"
#include "server/json/request_reader.h"
#include "server/store/item_memory.h"
#include "server/store/records.h"

namespace batucada {

// "msg_" and 32 random digits.
std::string NewId(std::string_view prefix);

// The member `name`: a text, which is a user's message, or a list of items. Each is brought into the form in which it
// is kept and told: contents are lists of parts, and where the client gave no id there is a new one. An item_reference
// has an id and no JSON: the store knows it. What is wrong goes to `reader`, with its place:
// "input[2].content[0].type".
std::vector<StoredItem> ReadItems(RequestReader& reader, std::string_view name);

// A text as a message.
StoredItem TextMessage(std::string_view role, std::string_view text);

// Messages, as ChatInput takes them, added to `messages`. A call joins the message of the assistant's before it;
// reasoning is the reasoning_content of the one that it leads to, and of none if it leads to none. DATA_LOSS if an item
// is not as ReadItems makes it.
absl::Status AddHistory(std::span<const std::shared_ptr<const KnownItem>> items, boost::json::array* messages);
// The same of an input that has no references left and stands behind `before`, whose messages were made.
// INVALID_ARGUMENT names the item whose call_id is another call's, or that is the output of a call which is nowhere.
absl::Status AddInput(std::span<const StoredItem> items, std::span<const std::shared_ptr<const KnownItem>> before,
                      boost::json::array* messages);

boost::json::object ItemsSchema(std::string_view description);
boost::json::object InputSchema();

}  // namespace batucada
