// What was measured, as a table for people and as one JSON document.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/rounds.h"

namespace colony::bench {

struct Target {
  enum class Kind { kAtLeast, kAtMost };
  Kind kind;
  double limit;
};
inline Target at_least(double limit) { return {Target::Kind::kAtLeast, limit}; }
inline Target at_most(double limit) { return {Target::Kind::kAtMost, limit}; }

struct Figure {
  std::string key;   // of the JSON document; units stand last
  std::string what;  // for people
  double value = 0;
  std::optional<std::pair<double, double>> range;  // the lowest and the highest round
  std::optional<Target> target;

  bool meets_target() const;
};

// How a figure grows with something.
struct Curve {
  struct Point {
    double x = 0;
    Summary y;
  };
  std::string key;               // of the JSON document
  std::string title;             // for people
  std::string x_title, y_title;  // with units
  std::vector<Point> points;
};

class Figures {
 public:
  // Begins a group of the table.
  void group(std::string title);
  void add(std::string key, std::string what, double value, std::optional<Target> target = std::nullopt);
  void add(std::string key, std::string what, const Summary& summary, std::optional<Target> target = std::nullopt);
  // As a plot in the report; in the table, a line for each point.
  void add(Curve curve);
  // What the figures were measured on.
  void fact(std::string key, std::string value);

  std::string table() const;
  std::string json() const;

 private:
  struct Group {
    std::string title;
    std::vector<Figure> figures;
  };
  std::string json_of_curves() const;

  std::vector<Group> groups_;
  std::vector<Curve> curves_;
  std::vector<std::pair<std::string, std::string>> facts_;
};

}  // namespace colony::bench
