// What is told of a response that there is: the whole, what it was given; and how it goes.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// All thread-safe; they wait for the store. Responses of other keys are not there.
Answer HandleGetResponse(Service& service, const HttpRequest& request);
Answer HandleDeleteResponse(Service& service, const HttpRequest& request);
// Ends one that is being made, whoever waits for it; one that has ended stays as it is.
Answer HandleCancelResponse(Service& service, const HttpRequest& request);
Answer HandleInputItems(Service& service, const HttpRequest& request);

}  // namespace batucada
