// Line charts as SVG, to stand inside an HTML page.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace batucada::loadtest {

enum class Scale : uint8_t { kLinear, kLogarithmic };
enum class Dots : uint8_t { kNo, kYes };

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x ascending; what a logarithmic scale cannot show is left out
};

struct Chart {
  std::string title, x_label, y_label;
  Scale x_scale = Scale::kLinear, y_scale = Scale::kLinear;
  Dots dots = Dots::kNo;
  std::vector<Series> series;
};

// Empty if there is nothing to show.
std::string ToSvg(const Chart& chart);

std::string EscapeHtml(std::string_view text);

}  // namespace batucada::loadtest
