// What happened in a simulation, line by line, for whoever must understand a
// failure. Kept only on demand: a seed that passes needs none.
#pragma once

#include <string>
#include <vector>

namespace colony::sim {

class Transcript {
 public:
  explicit Transcript(bool kept) : kept_(kept) {}

  bool kept() const { return kept_; }
  void add(const std::string& line) {
    if (kept_) lines_.push_back(line);
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  bool kept_;
  std::vector<std::string> lines_;
};

}  // namespace colony::sim
