// Room for many connections: each is an open file.
#pragma once

#include <cstdint>

namespace load {

// Raises the limit of open files of this process to what is wanted, the hard limit
// too where root may. Throws std::runtime_error that says what to run.
void raise_open_files(std::uint64_t wanted);

// As many as can be had without harm, up to `wanted`. Gives the limit.
std::uint64_t raise_open_files_up_to(std::uint64_t wanted);

}  // namespace load
