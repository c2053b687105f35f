// One answer to a scrape: metric families and their samples, in Prometheus' text format 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "server/telemetry/histogram.h"

namespace batucada {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Families come in the order they were added. Not thread-safe.
class MetricsPage {
 public:
  // Labels that every sample of the families added from now on carries.
  void SetLabels(MetricLabels labels) { labels_ = std::move(labels); }

  void Gauge(std::string_view name, std::string_view help, double value, MetricLabels labels = {});
  void Counter(std::string_view name, std::string_view help, double value, MetricLabels labels = {});
  void Distribution(std::string_view name, std::string_view help, const Histogram& histogram);
  // Another sample of the family added last, which is a gauge or a counter.
  void Sample(double value, MetricLabels labels);
  // A counter without samples yet.
  void CounterFamily(std::string_view name, std::string_view help);

  std::string Text() const;

 private:
  void Add(std::string_view name, std::string_view help, prometheus::MetricType type);

  MetricLabels labels_;
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace batucada
