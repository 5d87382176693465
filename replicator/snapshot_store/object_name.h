// The names of objects, and of what is not one yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace colony {

// 1 to 200 letters, digits, '.', '_' and '-', of which the first is no '.'.
bool is_object_name(std::string_view name);

// Throws Error.
void require_object_name(std::string_view name);

// Where an upload grows in stores that show files while they grow:
// NAME~SECONDS-RANDOM. No object's name has a '~', so it is never listed. Seconds
// since 1970, by this machine's clock.
std::string temporary_name(std::string_view name);

// When the temporary file of that name was begun; nothing if it is none.
std::optional<std::int64_t> temporary_since(std::string_view name);

// Begun so long ago (a day) that its upload cannot be alive, whoever's clock is
// right.
bool is_dead_temporary(std::string_view name);

}  // namespace colony
