// What a --timeout takes.
#pragma once

#include <CLI/CLI.hpp>

namespace colony::cli {

// `5s`, `10min`, `1.5h`, `250ms`, `2d`, or a number of seconds, which it makes of the others;
// what a clock can be asked to wait. Else one line says what is wanted. For transform().
CLI::Validator duration_in_seconds();

}  // namespace colony::cli
