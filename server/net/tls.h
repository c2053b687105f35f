// The server's certificate and private key, for both front ends.
#pragma once

#include <memory>
#include <span>
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

// TLS 1.2 and later. INVALID_ARGUMENT, in one sentence that names the flag, if a file cannot be read, the key is
// encrypted (nobody is asked for a passphrase) or the two do not belong together.
absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> LoadTls(const TlsFiles& files);

// Reads the files of contexts that LoadTls made of the same files once more, for handshakes from now on; connections
// that are open stay as they are. If that fails, with an error as above, everything stays. Thread-safe.
absl::Status ReloadTls(std::span<const std::shared_ptr<boost::asio::ssl::context>> tls);

// Has clients that negotiate a protocol (ALPN) speak HTTP/2, and refuses those that want another.
void RequireHttp2(boost::asio::ssl::context& tls);

}  // namespace batucada
