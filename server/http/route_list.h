// Routes as they are declared: a handler with what /openapi.json says of it.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include <boost/json/object.hpp>

#include "server/generate/service.h"
#include "server/http/offload.h"
#include "server/http/openapi.h"
#include "server/http/router.h"

namespace batucada {

class RouteList {
 public:
  using Handle = std::function<Answer(Service&, const HttpRequest&)>;  // thread-safe

  // `service` outlives the router.
  explicit RouteList(Service& service) : service_(service) {}

  void Get(std::string path, std::string name, Handle handle, const OperationSpec& spec, Access access = Access::kKey) {
    Add("GET", std::move(path), std::move(name), std::move(handle), spec, access);
  }
  // Without a body, or with one that does not matter.
  void Add(std::string method, std::string path, std::string name, Handle handle, const OperationSpec& spec,
           Access access = Access::kKey) {
    router_.Add({.method = std::move(method),
                 .path = std::move(path),
                 .name = std::move(name),
                 .handler = [this_service = &service_, handle = std::move(handle)](
                                const HttpRequest& request) { return handle(*this_service, request); },
                 .access = access,
                 .error_form = spec.error_form,
                 .operation = MakeOperation(spec)});
  }
  // A document that does not change.
  void Document(std::string path, std::string name, std::string json, const OperationSpec& spec) {
    router_.Add({.method = "GET",
                 .path = std::move(path),
                 .name = std::move(name),
                 .handler = [json = std::move(json)](const HttpRequest&) -> Answer { return JsonResponse(json); },
                 .access = Access::kKey,
                 .error_form = spec.error_form,
                 .operation = MakeOperation(spec)});
  }
  // Bodies may be large: off the connection's thread with them.
  void Post(std::string path, std::string name, Handle handle, const OperationSpec& spec,
            Access access = Access::kKey) {
    LentHandler handler = [this_service = &service_, handle = std::move(handle)](const HttpRequest& request) {
      return handle(*this_service, request);
    };
    router_.Add({.method = "POST",
                 .path = std::move(path),
                 .name = name,
                 .handler = OffThread(service_, name, std::move(handler)),
                 .access = access,
                 .error_form = spec.error_form,
                 .operation = MakeOperation(spec)});
  }
  // For handlers that wait for something, whatever the method.
  void AddWaiting(std::string method, std::string path, std::string name, Handle handle, OperationSpec spec) {
    spec.waits = true;
    LentHandler handler = [this_service = &service_, handle = std::move(handle)](const HttpRequest& request) {
      return handle(*this_service, request);
    };
    router_.Add({.method = std::move(method),
                 .path = std::move(path),
                 .name = name,
                 .handler = OffThread(service_, name, std::move(handler), Offload::kAlways),
                 .access = Access::kKey,
                 .error_form = spec.error_form,
                 .operation = MakeOperation(spec)});
  }
  // One of those that specs name, beside those of api_schemas.h.
  void AddSchema(std::string_view name, boost::json::object schema) {
    schemas_[boost::json::string_view(name.data(), name.size())] = std::move(schema);
  }

  Service& service() { return service_; }
  Router& router() { return router_; }
  const boost::json::object& schemas() const { return schemas_; }

 private:
  Service& service_;
  Router router_;
  boost::json::object schemas_;
};

// Adds routes that this room does not know.
using AddRoutes = std::function<void(RouteList&)>;

}  // namespace batucada
