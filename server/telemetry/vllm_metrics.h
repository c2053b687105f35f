// The same figures under the names that vLLM gives them, for what reads those: the endpoint picker of the Gateway API
// Inference Extension (its model server protocol), llm-d, and dashboards made for vLLM.
#pragma once

#include "server/telemetry/metrics.h"
#include "server/telemetry/metrics_page.h"
#include "server/telemetry/tally.h"

namespace batucada {

void AddVllmMetrics(const Tally& tally, const Snapshot& now, MetricsPage* page);

}  // namespace batucada
