#include "server/telemetry/metrics_page.h"

#include <prometheus/text_serializer.h>

namespace batucada {

using prometheus::ClientMetric;
using prometheus::MetricType;

namespace {

ClientMetric WithLabels(const MetricLabels& common, const MetricLabels& own) {
  ClientMetric metric;
  metric.label.reserve(common.size() + own.size());
  for (const MetricLabels& labels : {common, own}) {
    for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  }
  return metric;
}

}  // namespace

void MetricsPage::Add(std::string_view name, std::string_view help, MetricType type) {
  families_.push_back({.name = std::string(name), .help = std::string(help), .type = type, .metric = {}});
}

void MetricsPage::Gauge(std::string_view name, std::string_view help, double value, MetricLabels labels) {
  Add(name, help, MetricType::Gauge);
  Sample(value, std::move(labels));
}

void MetricsPage::CounterFamily(std::string_view name, std::string_view help) { Add(name, help, MetricType::Counter); }

void MetricsPage::Counter(std::string_view name, std::string_view help, double value, MetricLabels labels) {
  CounterFamily(name, help);
  Sample(value, std::move(labels));
}

void MetricsPage::Sample(double value, MetricLabels labels) {
  ClientMetric metric = WithLabels(labels_, labels);
  (families_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  families_.back().metric.push_back(std::move(metric));
}

void MetricsPage::Distribution(std::string_view name, std::string_view help, const Histogram& histogram) {
  Add(name, help, MetricType::Histogram);
  ClientMetric metric = WithLabels(labels_, {});
  uint64_t below = 0;
  for (size_t i = 0; i < histogram.bounds().size(); ++i) {
    below += histogram.bucket(i);
    metric.histogram.bucket.push_back({.cumulative_count = below, .upper_bound = histogram.bounds()[i]});
  }
  metric.histogram.sample_count = below + histogram.bucket(histogram.bounds().size());
  metric.histogram.sample_sum = histogram.sum();
  families_.back().metric.push_back(std::move(metric));
}

std::string MetricsPage::Text() const { return prometheus::TextSerializer().Serialize(families_); }

}  // namespace batucada
