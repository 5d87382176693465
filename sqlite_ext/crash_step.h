// Named steps at which a test can stop the process.
//
// COLONY_STEP("applier.committed") is nothing at all unless the target is compiled
// with COLONY_CRASH_STEPS, which only those of tests/crash are. There it puts its name
// into the section `colony_steps` of the binary, so that the test knows all of them,
// and calls pass_step() (tests/crash/crash_step.cpp), which kills the process when
// $COLONY_CRASH_STEP asks for it there.
//
// Names are `part.what_has_just_happened`, each at one place. tests/crash/CMakeLists.txt
// finds the files that have steps.
#pragma once

#ifdef COLONY_CRASH_STEPS

namespace colony {

// Any thread.
void pass_step(const char* name) noexcept;

}  // namespace colony

#define COLONY_STEP(name)                                                                \
  do {                                                                                   \
    static const char step_name[] __attribute__((section("colony_steps"), used)) = name; \
    ::colony::pass_step(step_name);                                                      \
  } while (false)

#else

#define COLONY_STEP(name) static_cast<void>(0)

#endif
