// Transcripts of the planner: messages of a log in, one a line, and what is decided on
// each. A test says the whole of it; what is to the right of an arrow is computed anew
// and compared, so that a change of a rule shows as a diff of the transcript.
//
//     # b's first transaction comes in two chunks, and the second one twice
//     b hello            -> hello
//     b: 1 one-          -> keep 1 one, up to 1
//     b: 2 two           -> apply 2 one+two, up to 2
//     b: 2 two           -> ignored
//
// Messages (the first one has sequence 1):
//
//     b hello            of node b in its life 1; b/2 is another life of that name
//     b leaves           c removes b   c removes b/7
//     b: 4 x y- z        chunks from number 4 on; one that the next goes on from ends with -
//     b barrier          b proof       b question
//     b trust 1 b=b c=o  version 1: b's key is the one called b, c's is the one called o
//     b noise            b nothing     b newer format     b newer kind
//
// and behind them, in this order: `under c` for a message that comes under the subject of
// c; `signed o seen 3` for an entry signed with the key o when 3 was absorbed.
//
// What the file knew before:
//
//     file: b at 7       b is a member, and chunk 7 is its last that counted
//     file: b unfinished a beginning of b's next transaction is kept
//     file: 5 departed   the life 5, whosoever it was
//     file: outbox to 2  this file, which is node self in its life 1, has committed so many chunks
//     file: trust 1 b=b
//
// Decisions: what the entry is, `ignored`, `no entry`, `untrusted`, `out of turn`, or, in
// this order: chunks that the outbox must have, transactions to apply or to absorb,
// fragments to keep, and the origin's new high-water mark. `halt: why`.
#pragma once

#include <string>

namespace colony::unit {

// Whether signatures were looked at before the messages are planned, with b=b and c=o.
enum class Ahead { kNothing, kSignatures };

// The transcript as the planner has it. `#` begins a remark.
std::string replanned(const std::string& transcript, Ahead ahead = Ahead::kNothing);

}  // namespace colony::unit
