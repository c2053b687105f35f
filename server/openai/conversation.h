// The members of a request that make a conversation: messages, and how their text is to end.
#pragma once

#include <optional>
#include <string>

#include "server/json/parameter_table.h"
#include "text/chat_template.h"

namespace batucada {

inline constexpr size_t kMaxMessages = 8192;

// Reads messages, add_generation_prompt, continue_final_message and chat_template_kwargs; without messages, nothing.
// Errors name the place: "messages[1].content[0].type".
void ReadConversation(RequestReader& reader, std::optional<ChatInput>* conversation);

// Refuses those of chat_template_kwargs that would take the place of the conversation, its tools or a function of the
// template's.
void CheckTemplateVariables(RequestReader& reader, const boost::json::object& variables);

// Whether the final message is what the assistant has said, and no call: what it may go on with.
bool EndsWithAssistant(const ChatInput& conversation);
// What the final message says, its parts joined by newlines; empty if it is not the assistant's.
std::string FinalAssistantText(const ChatInput& conversation);

boost::json::object MessagesSchema();
boost::json::object AddGenerationPromptSchema();
boost::json::object ContinueFinalMessageSchema();
boost::json::object ChatTemplateKwargsSchema();

// All four members.
template <typename Params>
void AddConversation(ParameterTable<Params>& table, std::optional<ChatInput> Params::*field,
                     typename ParameterTable<Params>::Presence presence) {
  table.AddRead(
      "messages", MessagesSchema(),
      [field](RequestReader& reader, Params& params) { ReadConversation(reader, &(params.*field)); }, presence);
  table.AddBeside("add_generation_prompt", AddGenerationPromptSchema(), "messages");
  table.AddBeside("continue_final_message", ContinueFinalMessageSchema(), "messages");
  table.AddBeside("chat_template_kwargs", ChatTemplateKwargsSchema(), "messages");
}

}  // namespace batucada
