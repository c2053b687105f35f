// Who may administer the server over HTTP (/admin). Administration is nobody's by default but the machine's own:
//
//   a key with the right `admin` (access_keys.h)    on every port
//   no key, from the machine itself                 on --health-port; on --port only where no keys are required
//
// "From the machine itself" means a loopback peer that asks for a loopback host, by its own account not for somebody
// else: neither a proxy on this machine nor a page whose name was rebound to 127.0.0.1 passes for it. In Kubernetes
// that is `kubectl exec` and `kubectl port-forward`. Whoever asks, a page of another site never may.
#pragma once

#include <cstdint>
#include <optional>

#include "server/http/http.h"

namespace batucada {

enum class AdminPlace : uint8_t {
  kClientsPort,  // --port
  kHealthPort,   // --health-port, which is no client's
};

struct AdminTerms {
  bool keys_required = false;
  AdminPlace place = AdminPlace::kClientsPort;
};

// The answer to a request that may not administer: 403 that says why, or 415. Needs its head alone, with
// request.client filled in.
std::optional<HttpResponse> RefuseAdmin(const HttpRequest& request, const AdminTerms& terms);

}  // namespace batucada
