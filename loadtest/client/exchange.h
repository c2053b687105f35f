// One HTTP/1.1 request and its answer.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/beast/core/flat_buffer.hpp>

#include "loadtest/client/wire.h"

namespace batucada::loadtest {

// Builds the head of every request to one target; what does not change is written once.
class RequestHead {
 public:
  // `headers` are names and values beyond Host, Content-Type and Content-Length. REQUIRES: no line breaks in them.
  RequestHead(const Target& target, const std::vector<std::pair<std::string, std::string>>& headers);

  // Head and body. A GET has no body; `path` begins with '/'.
  std::string Get(std::string_view path) const;
  std::string Post(std::string_view path, std::string_view body) const;

 private:
  std::string prefix_, common_;
};

enum class Ending : uint8_t {
  kWhole,      // the answer came to its end
  kSilent,     // the connection ended before the first byte: a kept connection may have been closed meanwhile
  kCut,        // the connection ended inside the answer
  kTimeout,    // the wire's deadline passed
  kMalformed,  // not an HTTP/1.1 answer
};

struct Reply {
  Ending ending = Ending::kWhole;
  int status = 0;           // once the head has come
  bool keep_alive = false;  // the wire can serve another request
  std::string error;        // why it is not whole
  std::string body;         // unless the body went to on_body; at most 1 MiB
};

// Called for every piece of the body as it arrives; the answer's status is 200.
using OnBody = std::function<void(std::string_view bytes, TimePoint now)>;

// Sends `request` over a connected wire and reads the answer. With `on_body`, the body of a 200 goes there instead of
// into the reply. `inbox` is scratch space that outlives the call.
Task<Reply> Exchange(Wire& wire, std::string_view request, boost::beast::flat_buffer& inbox, OnBody on_body);

}  // namespace batucada::loadtest
