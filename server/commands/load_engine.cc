#include "server/commands/load_engine.h"

#include <cstdio>

#include "base/byte_progress.h"
#include "base/progress.h"
#include "base/strings.h"

namespace batucada {

absl::StatusOr<std::unique_ptr<Engine>> LoadEngine(const EngineConfig& config, const std::string& name,
                                                   EngineObserver* observer) {
  ByteProgress progress;
  const ProgressDisplay display(Concat("loading ", name), progress, stderr);
  return Engine::Create(config, observer, &progress);
}

}  // namespace batucada
