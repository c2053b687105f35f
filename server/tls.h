// The server's certificate and private key, for both front ends.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace boost::asio::ssl {
class context;
}

namespace batucada {

struct TlsFiles {
  std::string certificate;  // PEM, with the chain behind it
  std::string key;          // PEM
};

// TLS 1.2 and later. INVALID_ARGUMENT, in one sentence that names the flag, if a file cannot be read or the two do not
// belong together.
absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> LoadTls(const TlsFiles& files);

}  // namespace batucada
