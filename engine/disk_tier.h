// The disk behind an engine's cache of prefixes, as its configuration asks for it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/core/observer.h"
#include "engine/engine_config.h"
#include "engine/prefix/checkpoint_disk.h"
#include "engine/run/backend.h"

namespace batucada {

// What the bytes of a state are: of which weights, on which device, in pages of which sizes.
std::string StateName(const EngineConfig& config, BackendKind kind, Backend& backend);

// Null if none is asked for, or if another process uses it: `report` says so in a line. INVALID_ARGUMENT: the directory
// cannot be used. Checkpoints of other models, or of other layouts of a state, lie beside this one's. `backend`, whose
// pages are written and read, and `observer`, which may be null, must outlive it.
absl::StatusOr<std::unique_ptr<CheckpointDisk>> OpenDiskTier(const EngineConfig& config, BackendKind kind,
                                                             Backend& backend, EngineObserver* observer,
                                                             std::string* report);

}  // namespace batucada
