// SGLang's POST /close_session: sessions are those that requests name by session_id.
#include "server/common/error.h"
#include "server/compat/compat.h"
#include "server/json/json_schema.h"
#include "server/json/json_writer.h"
#include "server/json/parameter_table.h"

namespace batucada {
namespace {

struct CloseParams {
  std::string session_id;
};

const ParameterTable<CloseParams>& CloseRequest() {
  static const ParameterTable<CloseParams> table = [] {
    ParameterTable<CloseParams> made;
    made.AddRead(
        "session_id", StringSchema("Whose state is not wanted any more."),
        [](RequestReader& reader, CloseParams& params) {
          reader.Read("session_id", &params.session_id);
          if (reader.ok() && params.session_id.empty()) reader.Fail("session_id", "is missing", "missing_parameter");
        },
        ParameterTable<CloseParams>::Presence::kRequired);
    return made;
  }();
  return table;
}

Answer HandleClose(Service& service, const HttpRequest& request) {
  const absl::StatusOr<CloseParams> params = CloseRequest().Parse(request.body);
  if (!params.ok()) return ErrorResponse(params.status());
  // What is gone already is closed.
  const absl::Status erased = service.engine.sessions().Erase(request.client.key, params->session_id);
  HttpResponse response;
  JsonWriter(&response.body).BeginObject().Key("closed").Bool(erased.ok()).EndObject();
  return response;
}

}  // namespace

void AddSglang(RouteList& list) {
  list.AddSchema("CloseSessionRequest", CloseRequest().Schema());
  list.AddSchema("CloseSessionAnswer", ObjectSchema("", {{"closed", BooleanSchema("false: there was none.")}}));
  list.AddWaiting("POST", "/close_session", "sglang.close_session", HandleClose,
                  {.summary = "Forget the state of a session, as SGLang's server does: see DELETE /v1/sessions/{id}",
                   .request = "CloseSessionRequest",
                   .answer = "CloseSessionAnswer"});
}

}  // namespace batucada
