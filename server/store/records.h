// What the store keeps and gives back. JSON is text here: whose it is knows what it says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace batucada {

// Whose records they are: the name of an API key (Client::key); 0 without keys. Nothing of one scope is ever seen from
// another.
using StoreScope = uint64_t;

// A message, a call, …: what a model is given or makes.
struct StoredItem {
  std::string id;
  std::string json;
};

// A place in the tree of items, the empty beginning (0) among them. Never used again for another.
using ItemNode = int64_t;

// What stands before a response: all items up to one. Of a tree, so that responses that go on from the same one share
// what came before.
struct History {
  ItemNode last = 0;
  int64_t count = 0;  // items
  int64_t bytes = 0;  // of their JSON
};

enum class ResponseState : uint8_t {
  kRunning = 0,  // or was when the process ended
  kEnded = 1,    // others may go on from it
  kFailed = 2,
};

struct StoredResponse {
  std::string id;
  std::string json;          // an object, but for its output
  std::string previous;      // the response that it goes on from, or empty
  std::string conversation;  // the conversation that it belongs to, or empty
  History history;           // of these, as it was read before the response was made
  std::vector<StoredItem> input, output;
  ResponseState state = ResponseState::kEnded;  // only then its conversation grows by its input and output
};

// A response as it is read: its JSON, and what its output is.
struct ReadResponse {
  std::string json;
  std::vector<StoredItem> output;
  ResponseState state = ResponseState::kEnded;
};

struct StoredConversation {
  std::string id;
  int64_t created = 0;   // seconds since 1970
  int64_t used = 0;      // as ConversationUse tells; the store's to say, not the writer's
  std::string metadata;  // JSON
};

// When it was last read or written, in seconds since 1970.
struct ConversationUse {
  std::string id;
  int64_t used = 0;
};

// Which part of a list.
struct PageRequest {
  int64_t limit = 20;
  bool ascending = false;  // oldest first
  std::string after;       // an item's id: only what follows it in this order; empty: from the list's end or beginning
};

struct ItemPage {
  std::vector<StoredItem> items;
  bool has_more = false;
};

}  // namespace batucada
