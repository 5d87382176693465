// What a --timeout takes.
#pragma once

#include <CLI/CLI.hpp>

namespace colony::cli {

// A number of seconds that a clock can be asked to wait; else one line says what is.
CLI::Validator seconds();

}  // namespace colony::cli
