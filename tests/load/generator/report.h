// A run's figures as JSON: see tests/load/README.md for what the members mean.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/load/generator/figures.h"
#include "tests/load/generator/ledger.h"
#include "tests/load/generator/settings.h"

namespace load {

nlohmann::json json_of(const Totals& totals);
nlohmann::json json_of(const Verdict& verdict);
nlohmann::json json_of(const Settings& settings);
nlohmann::json json_of(const std::vector<Second>& series, const std::vector<std::string>& processes);

}  // namespace load
