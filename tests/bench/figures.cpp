#include "tests/bench/figures.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

namespace colony::bench {
namespace {

// Enough digits to compare, and no more: 0.712, 41.3, 25600.
std::string shown(double value) {
  const double size = std::fabs(value);
  if (size >= 1000) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.3f}", value);
}

std::string shown(const Target& target) {
  return (target.kind == Target::Kind::kAtLeast ? ">= " : "<= ") + fmt::format("{}", target.limit);
}

std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

bool Figure::meets_target() const {
  if (!target) return true;
  return target->kind == Target::Kind::kAtLeast ? value >= target->limit : value <= target->limit;
}

void Figures::group(std::string title) { groups_.push_back({std::move(title), {}}); }

void Figures::add(std::string key, std::string what, double value, std::optional<Target> target) {
  groups_.back().figures.push_back({std::move(key), std::move(what), value, std::nullopt, target});
}

void Figures::add(std::string key, std::string what, const Summary& summary, std::optional<Target> target) {
  groups_.back().figures.push_back(
      {std::move(key), std::move(what), summary.median, {{summary.min, summary.max}}, target});
}

void Figures::add(Curve curve) {
  group(curve.title);
  for (const Curve::Point& point : curve.points) {
    add(fmt::format("{}_at_{:.0f}", curve.key, point.x),
        fmt::format("{} at {:.0f} {}", curve.y_title, point.x, curve.x_title), point.y);
  }
  curves_.push_back(std::move(curve));
}

void Figures::fact(std::string key, std::string value) { facts_.emplace_back(std::move(key), std::move(value)); }

std::string Figures::table() const {
  std::string out;
  for (const auto& [key, value] : facts_) out += fmt::format("{:<14} {}\n", key, value);
  for (const Group& group : groups_) {
    out +=
        fmt::format("\n{}\n  {:<62} {:>10} {:>21}  {}\n", group.title, "", "measured", "lowest .. highest", "target");
    for (const Figure& figure : group.figures) {
      const std::string range =
          figure.range ? shown(figure.range->first) + " .. " + shown(figure.range->second) : std::string();
      std::string target;
      if (figure.target) target = shown(*figure.target) + (figure.meets_target() ? "  met" : "  MISSED");
      std::string line = fmt::format("  {:<62} {:>10} {:>21}  {}", figure.what, shown(figure.value), range, target);
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + '\n';
    }
  }
  return out;
}

std::string Figures::json_of_curves() const {
  std::string out;
  for (const Curve& curve : curves_) {
    std::string points;
    for (const Curve::Point& point : curve.points) {
      points += fmt::format("{}{{\"x\": {}, \"y\": {}, \"min\": {}, \"max\": {}}}", points.empty() ? "" : ", ", point.x,
                            shown(point.y.median), shown(point.y.min), shown(point.y.max));
    }
    out += fmt::format("{}{{\"key\": {}, \"title\": {}, \"x_title\": {}, \"y_title\": {}, \"points\": [{}]}}",
                       out.empty() ? "" : ", ", json_string(curve.key), json_string(curve.title),
                       json_string(curve.x_title), json_string(curve.y_title), points);
  }
  return out;
}

std::string Figures::json() const {
  std::string members, ranges, targets;
  const auto append = [](std::string& list, const std::string& key, const std::string& value) {
    list += (list.empty() ? "" : ", ") + json_string(key) + ": " + value;
  };
  for (const Group& group : groups_) {
    for (const Figure& figure : group.figures) {
      append(members, figure.key, shown(figure.value));
      if (figure.range) {
        append(ranges, figure.key, "[" + shown(figure.range->first) + ", " + shown(figure.range->second) + "]");
      }
      if (figure.target) {
        const char* const kind = figure.target->kind == Target::Kind::kAtLeast ? "at_least" : "at_most";
        append(targets, figure.key,
               fmt::format("{{\"{}\": {}, \"met\": {}}}", kind, figure.target->limit, figure.meets_target()));
      }
    }
  }
  for (const auto& [key, value] : facts_) {
    const bool is_number = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
    append(members, key, is_number ? value : json_string(value));
  }
  append(members, "targets", "{" + targets + "}");
  append(members, "ranges", "{" + ranges + "}");
  append(members, "curves", "[" + json_of_curves() + "]");
  return "{" + members + "}";
}

}  // namespace colony::bench
