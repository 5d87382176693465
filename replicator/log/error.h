// What can go wrong, as the loops and the command line tell it apart.
#pragma once

#include <stdexcept>
#include <string>

namespace colony {

// The base of all: one line that says what happened and what to do about it.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The log cannot be reached, or what was known of it may no longer hold (a
// reconnect, a lost consumer). Nothing was decided: begin again with
// Log::info(), for ever.
class LogUnavailable : public Error {
 public:
  using Error::Error;
};

// The broker has no log of this colony, and this caller may not create one.
class NoSuchLog : public Error {
 public:
  using Error::Error;
};

// The node must not go on by itself: a gap, a log that lost its past, an entry
// that cannot be read or applied, an identity that is somebody else's.
class Halt : public Error {
 public:
  using Error::Error;
};

// Log::interrupt() was called: the loop ends.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};

// A broken invariant stops the process, in release builds too.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

#define COLONY_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::colony::assertion_failed(#condition, __FILE__, __LINE__))

}  // namespace colony
