#include "server/compat/llama_slots.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/http/query.h"
#include "server/json/json_schema.h"
#include "server/json/json_writer.h"
#include "server/json/parameter_table.h"

namespace batucada {
namespace {

namespace bj = boost::json;

struct SlotParams {
  std::string filename;
};

const ParameterTable<SlotParams>& SlotRequest() {
  static const ParameterTable<SlotParams> table = [] {
    ParameterTable<SlotParams> made;
    made.Add("filename",
             StringSchema("What the state is saved as, or was. No file is written: states that are saved "
                          "lie where others do, and on the disk if there is one (--disk-cache)."),
             &SlotParams::filename);
    made.AddIgnored("model", "No answer depends on it.");
    return made;
  }();
  return table;
}

struct SlotAction {
  int64_t slot = 0;
  std::string action;
};

absl::StatusOr<SlotAction> ReadAction(const HttpRequest& request) {
  SlotAction read;
  const std::string& id = request.captures.front();
  const bool digits = id.size() <= 10 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(id, &read.slot) || read.slot > kMostSlot) {
    return InvalidParameter("id", fmt::format("/slots/{} names no slot: give a number", Printable(id)));
  }
  UnknownMembers others = {.policy = UnknownMembers::Policy::kIgnore};
  BATUCADA_ASSIGN_OR_RETURN(const StringMap<std::string> query, ReadQuery(request.query, {"action"}, &others));
  if (const auto action = query.find("action"); action != query.end()) read.action = action->second;
  if (read.action == "save" || read.action == "restore" || read.action == "erase") return read;
  return InvalidParameter("action", "action must be save, restore or erase: /slots/0?action=save");
}

// Names of files are sessions' beside those that clients give themselves.
absl::StatusOr<std::string> FileName(std::string_view body) {
  BATUCADA_ASSIGN_OR_RETURN(const SlotParams params, SlotRequest().Parse(body));
  std::string name = "file-" + params.filename;
  if (params.filename.empty()) return InvalidParameter("filename", "filename is missing", "missing_parameter");
  if (name.size() <= SessionStates::kMostNameBytes) return name;
  return InvalidParameter("filename", fmt::format("filename has {} bytes: at most {}", params.filename.size(),
                                                  SessionStates::kMostNameBytes - 5));
}

absl::StatusOr<std::string> Act(Service& service, const HttpRequest& request) {
  BATUCADA_ASSIGN_OR_RETURN(const SlotAction asked, ReadAction(request));
  SessionStates& sessions = service.engine.sessions();
  const uint64_t owner = request.client.key;
  const std::string slot = SlotName(asked.slot);
  std::string answer;
  JsonWriter json(&answer);
  json.BeginObject().Key("id_slot").Int(asked.slot);
  const absl::Time began = absl::Now();
  const auto close = [&](std::string_view timing) {
    json.Key("timings").BeginObject().Key(timing);
    json.Number(static_cast<float>(absl::ToDoubleMilliseconds(absl::Now() - began))).EndObject().EndObject();
    return answer;
  };
  if (asked.action == "erase") {
    BATUCADA_ASSIGN_OR_RETURN(const SessionInfo info, sessions.Find(owner, slot));
    BATUCADA_RETURN_IF_ERROR(sessions.Erase(owner, slot));
    json.Key("n_erased").Int(info.tokens).EndObject();
    return answer;
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::string file, FileName(request.body));
  const bool saves = asked.action == "save";
  BATUCADA_RETURN_IF_ERROR(saves ? sessions.Copy(owner, slot, file) : sessions.Copy(owner, file, slot));
  BATUCADA_ASSIGN_OR_RETURN(const SessionInfo info, sessions.Find(owner, slot));
  json.Key("filename").String(std::string_view{file}.substr(5));
  json.Key(saves ? "n_saved" : "n_restored").Int(info.tokens);
  return close(saves ? "save_ms" : "restore_ms");
}

Answer HandleSlotAction(Service& service, const HttpRequest& request) {
  absl::StatusOr<std::string> answer = Act(service, request);
  if (answer.ok()) return JsonResponse(*std::move(answer));
  const absl::Status& status = answer.status();
  if (!absl::IsNotFound(status)) return ErrorResponse(status);
  return ErrorResponse(WithParameter(status, "", "session_not_found"));
}

}  // namespace

std::string SlotName(int64_t slot) { return fmt::format("slot-{}", slot); }

void AddLlamaSlots(RouteList& list) {
  list.AddSchema("LlamaSlotRequest", SlotRequest().Schema());
  bj::object answer = ObjectSchema("", {{"id_slot", IntegerSchema("")},
                                        {"filename", StringSchema("")},
                                        {"n_saved", IntegerSchema("Tokens that the state stands for.")},
                                        {"n_restored", IntegerSchema("Likewise.")},
                                        {"n_erased", IntegerSchema("Likewise.")}});
  answer["required"] = bj::array{"id_slot"};
  list.AddSchema("LlamaSlotAnswer", std::move(answer));
  list.AddWaiting(
      "POST", "/slots/*", "llamacpp.slots", HandleSlotAction,
      {.summary = "Save, restore or erase the state of a slot (?action=save), as llama.cpp's server does: slot "
                  "ID is the session \"slot-ID\", to which requests with id_slot belong",
       .request = "LlamaSlotRequest",
       .answer = "LlamaSlotAnswer"});
}

}  // namespace batucada
