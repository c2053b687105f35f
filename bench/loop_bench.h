// What the step loop adds to bare steps: planning, committing, handing out tokens. Beside the device it should cost
// nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/figure.h"
#include "engine/model/model_config.h"
#include "engine/run/backend.h"

namespace batucada {

// Median time of a step while `sequences` requests with prompts of `context` tokens decode through the step loop. Its
// floor is the bare step of the same batch and context among `figures`, if there.
absl::StatusOr<Figure> TimeStepLoop(const std::string& name, const ModelConfig& model, int32_t sequences,
                                    int64_t context, const std::vector<Figure>& figures,
                                    std::unique_ptr<Backend> backend);

}  // namespace batucada
