#include "bench/figure.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

namespace batucada {

std::string FigureTable(const std::vector<Figure>& figures) {
  std::string table = absl::StrFormat("%-44s %12s %-10s %12s %7s\n", "name", "value", "unit", "floor", "share");
  for (const Figure& f : figures) {
    absl::StrAppendFormat(&table, "%-44s %12.4g %-10s ", f.name, f.value, f.unit);
    table += f.floor > 0 ? absl::StrFormat("%12.4g %6.1f%%\n", f.floor, 100 * f.share) : "           -       -\n";
  }
  return table;
}

std::string FigureJson(const std::vector<Figure>& figures, const std::string& commit, const std::string& command) {
  std::string json = "[\n";
  for (size_t i = 0; i < figures.size(); ++i) {
    const Figure& f = figures[i];
    absl::StrAppendFormat(&json,
                          "  {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"floor\": %.6g, "
                          "\"share_of_floor\": %.4f, \"commit\": \"%s\", \"command\": \"%s\"}%s\n",
                          f.name, f.value, f.unit, f.floor, f.share, absl::CEscape(commit), absl::CEscape(command),
                          i + 1 < figures.size() ? "," : "");
  }
  return json + "]\n";
}

}  // namespace batucada
