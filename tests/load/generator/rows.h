// What nodes hold when all is over: asked of their services, page by page, or read
// from their files.
#pragma once

#include <cstdint>
#include <string>

#include "tests/load/generator/http_target.h"
#include "tests/load/generator/ledger.h"

namespace load {

// Throw std::runtime_error if a node cannot be read.
NodeRows rows_by_http(const HttpNode& node, std::uint32_t keys);
NodeRows rows_of_file(const std::string& file, std::uint32_t keys);

}  // namespace load
