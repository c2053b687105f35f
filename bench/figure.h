// One measured figure beside the floor it is held against.
#pragma once

#include <string>
#include <vector>

namespace batucada {

struct Figure {
  std::string name;  // "decode/samba-1.7b/b64"
  double value = 0;
  std::string unit;  // "ms", "tokens/s"
  double floor = 0;  // what the ceilings of the same run allow, in the same unit; 0: none is known
  double share = 0;  // of the floor's speed, 1 at the floor
};

// A table for people, aligned, one line a figure.
std::string FigureTable(const std::vector<Figure>& figures);
// A flat JSON list: {name, value, unit, floor, share_of_floor, commit, command}.
std::string FigureJson(const std::vector<Figure>& figures, const std::string& commit, const std::string& command);

}  // namespace batucada
