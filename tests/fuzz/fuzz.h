// What the fuzzers share. Each *_fuzz.cpp is one libFuzzer target: it takes bytes of
// a stranger, and must neither crash, nor read what is not its own, nor break a
// promise of the code that it tries.
//
// Built with clang (preset `fuzz`) a target searches by itself; built with any other
// compiler it replays what it is given, file by file (replay.cpp), which is how the
// kept corpus stays a regression test. seeds.cpp makes the inputs to begin with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace colony::fuzz {

inline std::string_view bytes_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A broken promise: ends the process, as the fuzzer wants it.
inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace colony::fuzz
