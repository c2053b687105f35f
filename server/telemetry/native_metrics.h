// The metrics under our own names, batucada_… and process_….
#pragma once

#include "server/telemetry/metrics.h"
#include "server/telemetry/metrics_page.h"
#include "server/telemetry/tally.h"

namespace batucada {

void AddNativeMetrics(const Tally& tally, const Snapshot& now, MetricsPage* page);

}  // namespace batucada
