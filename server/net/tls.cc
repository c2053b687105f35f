#include "server/net/tls.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>

#include "base/read_file.h"
#include "base/status.h"

namespace batucada {
namespace {

using boost::asio::ssl::context;

constexpr int64_t kMaxFileBytes = 1 << 20;

absl::Status Refuse(const char* flag, const std::string& file, const std::string& problem) {
  return absl::InvalidArgumentError(fmt::format("--{} {}: {}", flag, file, problem));
}

absl::StatusOr<std::string> ReadPem(const char* flag, const std::string& file) {
  absl::StatusOr<std::string> text = ReadWholeFile(file, kMaxFileBytes);
  if (text.ok()) return text;
  return absl::InvalidArgumentError(fmt::format("--{} {}", flag, std::string(text.status().message())));
}

// A context that holds what the files hold.
absl::StatusOr<std::shared_ptr<context>> Read(const TlsFiles& files) {
  auto read = std::make_shared<context>(context::tls_server);
  context& tls = *read;
  BATUCADA_ASSIGN_OR_RETURN(const std::string certificate, ReadPem("tls-cert", files.certificate));
  BATUCADA_ASSIGN_OR_RETURN(const std::string key, ReadPem("tls-key", files.key));
  boost::system::error_code error;
  tls.use_certificate_chain(boost::asio::buffer(certificate), error);
  if (error) return Refuse("tls-cert", files.certificate, "no PEM certificate can be read: " + error.message());
  // OpenSSL would ask on the terminal.
  bool encrypted = false;
  tls.set_password_callback(
      [&encrypted](size_t, context::password_purpose) {
        encrypted = true;
        return std::string();
      },
      error);
  if (!error) tls.use_private_key(boost::asio::buffer(key), context::pem, error);
  boost::system::error_code ignored;
  tls.set_password_callback([](size_t, context::password_purpose) { return std::string(); }, ignored);
  if (error && encrypted) {
    return Refuse("tls-key", files.key,
                  "it is encrypted: give a key without a passphrase, which only the server can read");
  }
  if (error) return Refuse("tls-key", files.key, "it is no PEM key of the certificate: " + error.message());
  // A key of another kind (RSA, EC) goes into a place of its own and disturbs nobody until a client comes.
  if (SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    return Refuse("tls-key", files.key, "it is a key of another certificate");
  }
  return read;
}

// A context whose certificate can be exchanged while connections use it: what the files hold lies in an inner context,
// from which every handshake takes it anew.
class Exchangeable {
 public:
  explicit Exchangeable(TlsFiles files) : files_(std::move(files)) {
    SSL_CTX_set_ex_data(outer_.native_handle(), Index(), this);
    SSL_CTX_set_cert_cb(outer_.native_handle(), Present, this);
  }

  static Exchangeable& Of(context& outer) {
    return *static_cast<Exchangeable*>(SSL_CTX_get_ex_data(outer.native_handle(), Index()));
  }
  context& outer() { return outer_; }

  const TlsFiles& files() const { return files_; }
  void Exchange(std::shared_ptr<context> inner) {
    const std::lock_guard lock(mutex_);
    inner_.swap(inner);
  }

 private:
  static int Index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
  }

  static int Present(SSL* ssl, void* self) {
    std::shared_ptr<context> inner;
    {
      auto& owner = *static_cast<Exchangeable*>(self);
      const std::lock_guard lock(owner.mutex_);
      inner = owner.inner_;
    }
    SSL_CTX* from = inner->native_handle();
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(from, &chain);
    return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(from), SSL_CTX_get0_privatekey(from), chain, 1);
  }

  const TlsFiles files_;
  context outer_{context::tls_server};
  std::mutex mutex_;
  std::shared_ptr<context> inner_;  // guarded by mutex_
};

}  // namespace

absl::StatusOr<std::shared_ptr<context>> LoadTls(const TlsFiles& files) {
  const auto made = std::make_shared<Exchangeable>(files);
  std::shared_ptr<context> tls(made, &made->outer());
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  // Idle connections hold no buffers, and a write goes on with the rest of its bytes wherever those lie by then.
  SSL_CTX_set_mode(tls->native_handle(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(tls->native_handle(), 1);  // a record in one call instead of two
  // Clients come back with tickets; a cache would keep thousands of those who have left.
  SSL_CTX_set_session_cache_mode(tls->native_handle(), SSL_SESS_CACHE_OFF);
  // Many clients just close; HTTP says by itself where a message ends.
  SSL_CTX_set_options(tls->native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  boost::system::error_code ignored;
  tls->set_options(context::default_workarounds | context::no_compression, ignored);
  BATUCADA_ASSIGN_OR_RETURN(std::shared_ptr<context> inner, Read(files));
  made->Exchange(std::move(inner));
  return tls;
}

absl::Status ReloadTls(std::span<const std::shared_ptr<context>> tls) {
  if (tls.empty()) return absl::OkStatus();
  BATUCADA_ASSIGN_OR_RETURN(const std::shared_ptr<context> inner, Read(Exchangeable::Of(*tls.front()).files()));
  for (const std::shared_ptr<context>& outer : tls) Exchangeable::Of(*outer).Exchange(inner);
  return absl::OkStatus();
}

void RequireHttp2(boost::asio::ssl::context& tls) {
  SSL_CTX_set_alpn_select_cb(
      tls.native_handle(),
      [](SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned int length,
         void*) {
        static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
        unsigned char* found = nullptr;
        const int agreed = SSL_select_next_proto(&found, size, kHttp2, sizeof kHttp2, offered, length);
        *chosen = found;
        return agreed == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
      },
      nullptr);
}

}  // namespace batucada
