// Answers about what the store has: its errors in OpenAI's words, and long documents on their way.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// Of a store that fails, 503: what SQLite says is for the log.
absl::Status StoreTrouble();

// "Response with id 'resp_…' not found.", 404; a store that fails is 503; what is wrong with `parameter`, if there is
// one, 400. `noun`: "Response".
HttpResponse StoreError(const absl::Status& status, std::string_view noun, std::string_view id,
                        std::string_view parameter = {});

// A JSON document that is read from the store: charged, and written as the client takes it.
Answer StoredJson(Service& service, std::string json, Headers headers = {});

}  // namespace batucada
