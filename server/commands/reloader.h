// What SIGHUP has the server read again, without ending anything: the keys (--api-key-file, and those of the --config
// file), the certificate and its key on every port, the log level and the sampling of the log (--config file). All of
// it or nothing: if anything is wrong, everything stays as it was. The rest of the settings needs a new start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/common/access_keys.h"
#include "server/config/server_config.h"
#include "server/telemetry/request_journal.h"

namespace boost::asio::ssl {
class context;
}

namespace batucada {

class Reloader {
 public:
  using ReadConfig = std::function<absl::StatusOr<ServerConfig>()>;

  // `keys` are shared with who asks them, `tls` are the contexts of all ports. REQUIRES: `journal` outlives this.
  Reloader(ReadConfig read, AccessKeys keys, std::vector<std::shared_ptr<boost::asio::ssl::context>> tls,
           RequestJournal& journal)
      : read_(std::move(read)), keys_(std::move(keys)), tls_(std::move(tls)), journal_(journal) {}

  // Logs what it did, or why it did nothing. One thread at a time.
  void Reload();

 private:
  absl::StatusOr<std::string> TryReload();  // what was read, in words

  ReadConfig read_;
  AccessKeys keys_;
  std::vector<std::shared_ptr<boost::asio::ssl::context>> tls_;
  RequestJournal& journal_;
};

}  // namespace batucada
