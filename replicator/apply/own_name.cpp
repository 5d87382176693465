#include "replicator/apply/own_name.h"

#include "replicator/apply/departure.h"

namespace colony {

std::string OwnName::trouble() {
  if (std::string gone = departure(); !gone.empty()) return gone;
  const Identity& identity = file_.records.identity();
  const Origin* const holder = this->holder();
  if (holder == nullptr) {
    introduced_ = false;  // the file may have been put back to before its hello
    return {};
  }
  const std::string elsewhere = holder->host + ":" + holder->path;
  const std::string rename = "colony init DB --cluster " + identity.cluster + " --node NEW";
  if (holder->incarnation != identity.incarnation) {
    return "the name " + identity.node + " in colony " + identity.cluster + " belongs to " + elsewhere +
           ": stop this sidecar and give the file another one (" + rename + " --keep-pending)";
  }
  const bool here = holder->host == home_.host && holder->path == home_.path;
  if (introduced_ && !here) {
    return "a copy of this file speaks as node " + identity.node + " at " + elsewhere +
           ": stop one of the two, and give the copy a name of its own (" + rename + ")";
  }
  introduced_ = here;
  return {};
}

// Who has this node's name by the log: null before its first hello.
const Origin* OwnName::holder() const {
  const auto found = file_.log_state.origins.find(file_.records.identity().node);
  return found == file_.log_state.origins.end() ? nullptr : &found->second;
}

// Once this node has left, nothing that it sends counts any more.
std::string OwnName::departure() const {
  const Identity& identity = file_.records.identity();
  const Origin* const holder = this->holder();
  if (holder != nullptr && holder->incarnation == identity.incarnation) return {};
  if (!file_.log_state.departed.contains(identity.incarnation)) return {};
  const std::map<Incarnation, Departure> departures = file_.records.departures();
  const auto own = departures.find(identity.incarnation);
  return own != departures.end() ? departure_message(identity, own->second) : std::string();
}

}  // namespace colony
