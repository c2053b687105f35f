// Requests as well-meaning clients, careless ones and smugglers send them, and what must come of each.
#pragma once

#include <string>
#include <vector>

namespace batucada {

struct Shape {
  std::string name;
  std::string bytes;  // sent at once, with a sound GET behind them
  // The status of every answer, in order. With + the connection goes on, and the GET behind is answered with 200;
  // without, the connection ends and the GET is never run.
  std::string want;
  std::string body = "";  // if not empty: what an answer must hold
};

std::vector<Shape> StartLineShapes();
std::vector<Shape> HeaderShapes();
std::vector<Shape> LengthShapes();
std::vector<Shape> CodingShapes();
std::vector<Shape> ChunkShapes();
std::vector<Shape> ConnectionShapes();

}  // namespace batucada
