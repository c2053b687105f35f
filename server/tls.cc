#include "server/tls.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <boost/asio/ssl/context.hpp>

namespace batucada {
namespace {

absl::Status Refuse(const char* flag, const std::string& file, const std::string& problem) {
  return absl::InvalidArgumentError(fmt::format("--{} {}: {}", flag, file, problem));
}

}  // namespace

absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> LoadTls(const TlsFiles& files) {
  using boost::asio::ssl::context;
  auto tls = std::make_shared<context>(context::tls_server);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_mode(tls->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // idle connections hold less
  boost::system::error_code error;
  tls->set_options(context::default_workarounds | context::no_compression, error);
  if (!error) tls->use_certificate_chain_file(files.certificate, error);
  if (error) return Refuse("tls-cert", files.certificate, "no PEM certificate can be read: " + error.message());
  tls->use_private_key_file(files.key, context::pem, error);
  if (error) return Refuse("tls-key", files.key, "it is no PEM key of the certificate: " + error.message());
  return tls;
}

}  // namespace batucada
