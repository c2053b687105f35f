#include "loadtest/report/svg_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include <fmt/format.h>

namespace batucada::loadtest {
namespace {

constexpr double kWidth = 640, kHeight = 320, kLeft = 70, kRight = 150, kTop = 30, kBottom = 45;
constexpr std::array<std::string_view, 6> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

// One axis: from values to pixels, and where its marks are.
class Axis {
 public:
  Axis(Scale scale, double low, double high, double from_px, double to_px)
      : scale_(scale), from_px_(from_px), to_px_(to_px) {
    if (scale == Scale::kLogarithmic) {
      low_ = std::floor(std::log10(low));
      high_ = std::max(std::ceil(std::log10(high)), low_ + 1);
    } else {
      low_ = std::min(low, 0.0);
      high_ = high > low_ ? high : low_ + 1;
      // 1, 2 or 5 times a power of ten, of which at most ten fit in.
      const double power = std::pow(10, std::floor(std::log10((high_ - low_) / 4)));
      for (const double factor : {5, 2, 1}) {
        if ((high_ - low_) / (factor * power) <= 10 || factor == 5) step_ = factor * power;
      }
      high_ = std::ceil(high_ / step_ - 1e-9) * step_;
    }
  }

  double Pixel(double value) const {
    const double at = scale_ == Scale::kLogarithmic ? std::log10(value) : value;
    return from_px_ + (at - low_) / (high_ - low_) * (to_px_ - from_px_);
  }
  std::vector<double> Marks() const {
    std::vector<double> marks;
    if (scale_ == Scale::kLogarithmic) {
      for (double power = low_; power <= high_; ++power) marks.push_back(std::pow(10, power));
    } else {
      for (int i = 0; low_ + i * step_ <= high_ + step_ / 2; ++i) marks.push_back(low_ + i * step_);
    }
    return marks;
  }

 private:
  Scale scale_;
  double from_px_, to_px_;
  double low_ = 0, high_ = 1, step_ = 1;  // logarithms to base 10 where the scale is logarithmic
};

bool Shown(const Chart& chart, const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second) &&
         (chart.x_scale == Scale::kLinear || point.first > 0) && (chart.y_scale == Scale::kLinear || point.second > 0);
}

void AppendText(double x, double y, std::string_view anchor, std::string_view text, std::string* out) {
  *out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, EscapeHtml(text));
}

void AppendGrid(const Chart& chart, const Axis& x, const Axis& y, std::string* out) {
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const double mark : x.Marks()) {
    const double at = x.Pixel(mark);
    *out += fmt::format("<path class=\"grid\" d=\"M{:.1f} {}V{}\"/>\n", at, kTop, bottom);
    AppendText(at, bottom + 16, "middle", fmt::format("{:.6g}", mark), out);
  }
  for (const double mark : y.Marks()) {
    const double at = y.Pixel(mark);
    *out += fmt::format("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/>\n", kLeft, at, right);
    AppendText(kLeft - 6, at + 4, "end", fmt::format("{:.6g}", mark), out);
  }
  AppendText((kLeft + right) / 2, kHeight - 8, "middle", chart.x_label, out);
  AppendText(kLeft, kTop - 12, "start", chart.y_label, out);
}

void AppendSeries(const Chart& chart, size_t index, const Axis& x, const Axis& y, std::string* out) {
  const Series& series = chart.series[index];
  const std::string_view colour = kColours[index % kColours.size()];
  std::string path, dots;
  for (const auto& point : series.points) {
    if (!Shown(chart, point)) continue;
    const double px = x.Pixel(point.first), py = y.Pixel(point.second);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", px, py);
    dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", px, py, colour);
  }
  *out += fmt::format("<path class=\"line\" stroke=\"{}\" d=\"{}\"/>\n", colour, path);
  if (chart.dots == Dots::kYes) *out += dots;
  const double legend_y = kTop + 18.0 * static_cast<double>(index) + 6;
  *out +=
      fmt::format("<path class=\"line\" stroke=\"{}\" d=\"M{} {}h16\"/>\n", colour, kWidth - kRight + 12, legend_y - 4);
  AppendText(kWidth - kRight + 34, legend_y, "start", series.name, out);
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string ToSvg(const Chart& chart) {
  double low_x = std::numeric_limits<double>::infinity(), high_x = -low_x, low_y = low_x, high_y = -low_x;
  for (const Series& series : chart.series) {
    for (const auto& point : series.points) {
      if (!Shown(chart, point)) continue;
      low_x = std::min(low_x, point.first);
      high_x = std::max(high_x, point.first);
      low_y = std::min(low_y, point.second);
      high_y = std::max(high_y, point.second);
    }
  }
  if (!(low_x <= high_x)) return "";
  const Axis x(chart.x_scale, low_x, high_x, kLeft, kWidth - kRight);
  const Axis y(chart.y_scale, low_y, high_y, kHeight - kBottom, kTop);
  std::string out = fmt::format("<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\">\n",
                                EscapeHtml(chart.title), kWidth, kHeight);
  AppendGrid(chart, x, y, &out);
  for (size_t i = 0; i < chart.series.size(); ++i) AppendSeries(chart, i, x, y, &out);
  return out + "</svg></figure>\n";
}

}  // namespace batucada::loadtest
