// Notices that the machine's clock was set back, and ends what then waits too long.
//
// The NATS library goes by the wall clock: a call that waits five seconds, and its
// timers (a broker that no longer answers is found by one), wait for a point of it.
// When the clock is set back by a day meanwhile, they wait for a day more. So all
// connections are closed then; every call on them fails at once, and whoever made it
// goes on over a new one, whose waits begin with the new time. A clock that is set
// forward ends waits early, which is like any other broker that was slow.
//
// Threads: any. One thread for the process, which looks once a second while there is a
// connection to be watched.
#pragma once

namespace colony {

class JetStreamConnection;

// Watches a connection for as long as it lives; the connection must live as long.
class ClockWatch {
 public:
  explicit ClockWatch(JetStreamConnection& connection);
  ~ClockWatch();
  ClockWatch(const ClockWatch&) = delete;
  ClockWatch& operator=(const ClockWatch&) = delete;

 private:
  JetStreamConnection& connection_;
};

}  // namespace colony
