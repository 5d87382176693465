#include "replicator/log/entry.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>

#include "replicator/log/error.h"
#include "replicator/log/trust.h"
#include "replicator/log/verified_entries.h"
#include "replicator/log/weak_key.h"

namespace colony {
namespace {

const Incarnation kIncarnation{0x123456789abcdef0};

std::string hello() { return encode("north", kIncarnation, HelloEntry{"host", "/path/to db", "1.2.3"}); }

std::string transactions(std::string_view changeset) {
  TransactionsEntry entry;
  entry.first = ChunkNumber(42);
  entry.chunks.push_back({true, 0xfedcba9876543210, changeset});
  entry.chunks.push_back({false, 1, ""});
  entry.chunks.push_back({true, 1, "x"});
  return encode("north", kIncarnation, entry);
}

// What a change of the bytes leaves of the checksum: as somebody would sign it who knows the format.
std::string signed_again(std::string message) {
  message.resize(message.size() - 8);
  const std::uint64_t checksum = message_hash(message);
  message.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return message;
}

// A copy without a byte to spare, so that a sanitizer sees a read beyond it.
std::optional<Entry> decode_exact(std::string_view message, const std::string& origin) {
  const std::unique_ptr<char[]> exact(new char[message.size()]);
  std::memcpy(exact.get(), message.data(), message.size());
  std::optional<Entry> entry = decode({exact.get(), message.size()}, origin);
  if (entry) {
    if (const auto* body = std::get_if<TransactionsEntry>(&entry->body)) {
      std::size_t sum = 0;
      for (const Chunk& chunk : body->chunks) {
        for (const char c : chunk.changeset) sum += static_cast<unsigned char>(c);
      }
      EXPECT_GE(sum, 0u);
    }
  }
  return entry;
}

TEST(Entry, hello_comes_back) {
  const auto entry = decode_exact(hello(), "north");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->origin, "north");
  EXPECT_EQ(entry->incarnation, kIncarnation);
  const auto& body = std::get<HelloEntry>(entry->body);
  EXPECT_EQ(body.host, "host");
  EXPECT_EQ(body.path, "/path/to db");
  EXPECT_EQ(body.version, "1.2.3");
}

TEST(Entry, transactions_come_back) {
  const std::string message = transactions("changeset");
  const auto entry = decode(message, "north");
  ASSERT_TRUE(entry);
  const auto& body = std::get<TransactionsEntry>(entry->body);
  EXPECT_EQ(body.first, ChunkNumber(42));
  ASSERT_EQ(body.chunks.size(), 3u);
  EXPECT_TRUE(body.chunks[0].last);
  EXPECT_EQ(body.chunks[0].shape, 0xfedcba9876543210);
  EXPECT_EQ(body.chunks[0].changeset, "changeset");
  EXPECT_FALSE(body.chunks[1].last);
  EXPECT_EQ(body.chunks[1].changeset, "");
  EXPECT_EQ(body.chunks[2].changeset, "x");
}

TEST(Entry, barrier_and_proof_come_back) {
  const std::string barrier = encode("n", Incarnation(1), BarrierEntry{77});
  EXPECT_EQ(std::get<BarrierEntry>(decode_exact(barrier, "n")->body).id, 77u);

  ProofEntry proof;
  proof.id = 77;
  proof.position = Sequence(12);
  proof.foreign_key_violations = 3;
  proof.tables = {{"one", 0xffffffffffffffff, 5}, {"with space", 0, 0}};
  const std::string message = encode("n", Incarnation(1), proof);
  const auto entry = decode_exact(message, "n");
  const auto& body = std::get<ProofEntry>(entry->body);
  EXPECT_EQ(body.id, 77u);
  EXPECT_EQ(body.position, Sequence(12));
  EXPECT_EQ(body.foreign_key_violations, 3u);
  ASSERT_EQ(body.tables.size(), 2u);
  EXPECT_EQ(body.tables[0].hash, 0xffffffffffffffff);
  EXPECT_EQ(body.tables[0].rows, 5u);
  EXPECT_EQ(body.tables[1].name, "with space");
}

QuestionEntry some_question() {
  return {
      77, CheckKind::kGoesOn, {{"one", 0xfeedfeedfeedfeed, 3, "low", std::string("h\0gh", 4)}, {"two", 5, 1, "", ""}}};
}

TEST(Entry, question_comes_back) {
  const auto entry = decode_exact(encode("n", Incarnation(1), some_question()), "n");
  const auto& body = std::get<QuestionEntry>(entry->body);
  EXPECT_EQ(body.id, 77u);
  EXPECT_EQ(body.kind, CheckKind::kGoesOn);
  EXPECT_EQ(body.ranges, some_question().ranges);
  EXPECT_FALSE(body.ranges[0].is_whole());
  EXPECT_TRUE(body.ranges[1].is_whole());
}

// A Colony that does not know questions reads a proof: it neither halts nor passes it over
// as noise, and as nothing is at position 0 it takes it for nobody's answer.
TEST(Entry, question_is_a_proof_of_position_0_to_who_does_not_know_it) {
  ProofEntry proof;
  proof.id = 77;
  proof.foreign_key_violations = 2;
  proof.tables = {{"one", 0xfeedfeedfeedfeed, 3},
                  {"low", 0, 0},
                  {std::string("h\0gh", 4), 0, 0},
                  {"two", 5, 1},
                  {"", 0, 0},
                  {"", 0, 0}};
  EXPECT_EQ(encode("n", Incarnation(1), some_question()), encode("n", Incarnation(1), proof));
}

TEST(Entry, proof_that_is_no_question_stays_a_proof) {
  ProofEntry proof;
  proof.tables = {{"one", 1, 1}, {"", 0, 0}};
  const auto is_proof = [&] {
    const auto entry = decode(encode("n", Incarnation(1), proof), "n");
    return entry && std::holds_alternative<ProofEntry>(entry->body);
  };
  EXPECT_TRUE(is_proof());
  proof.tables.push_back({"", 0, 1});
  EXPECT_TRUE(is_proof());
  proof.tables.back().rows = 0;
  EXPECT_FALSE(is_proof());
  proof.foreign_key_violations = 3;
  EXPECT_TRUE(is_proof());
  proof.foreign_key_violations = 0;
  proof.position = Sequence(1);
  EXPECT_TRUE(is_proof());
}

TEST(Entry, what_repeats_itself_is_compressed) {
  const std::string repeated(100'000, 'r');
  const std::string message = transactions(repeated);
  EXPECT_LT(message.size(), 1000u);
  std::optional<Entry> entry = decode(message, "north");
  ASSERT_TRUE(entry);
  const Entry moved = std::move(*entry);  // its views go with it
  entry.reset();
  EXPECT_EQ(std::get<TransactionsEntry>(moved.body).chunks[0].changeset, repeated);
}

TEST(Entry, what_does_not_compress_is_kept_as_it_is) {
  std::mt19937 random(1);
  std::string noise(5000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  const std::string message = transactions(noise);
  EXPECT_LT(message.size(), noise.size() + 100);
  EXPECT_EQ(std::get<TransactionsEntry>(decode(message, "north")->body).chunks[0].changeset, noise);
}

TEST(Entry, sizes_around_the_threshold_of_compression_come_back) {
  for (std::size_t size = 150; size < 300; ++size) {
    const std::string changeset(size, 'c');
    const std::string message = transactions(changeset);
    std::optional<Entry> entry = decode(message, "north");
    ASSERT_TRUE(entry);
    const Entry moved = std::move(*entry);
    EXPECT_EQ(std::get<TransactionsEntry>(moved.body).chunks[0].changeset, changeset);
  }
}

TEST(Entry, entry_under_another_nodes_subject_is_none) {
  EXPECT_FALSE(decode(hello(), "south"));
  EXPECT_FALSE(decode(transactions("x"), ""));
  EXPECT_FALSE(decode(hello(), "nort"));
}

TEST(Entry, messages_of_others_are_none) {
  for (const std::string& message : {std::string(), std::string("CLNY"), std::string("{\"error\":{\"code\":404}}"),
                                     std::string(100, '\0'), "CLNY" + std::string(100, 'x'), "x" + hello()}) {
    EXPECT_FALSE(decode_exact(message, "north"));
  }
}

TEST(Entry, every_truncation_is_none) {
  for (const std::string& message : {hello(), transactions("changeset"), transactions(std::string(1000, 'r'))}) {
    for (std::size_t size = 0; size < message.size(); ++size) {
      EXPECT_FALSE(decode_exact(message.substr(0, size), "north")) << size;
    }
    EXPECT_FALSE(decode_exact(message + '\0', "north"));
  }
}

TEST(Entry, every_turned_bit_is_none) {
  for (const std::string& message : {hello(), transactions("changeset"), transactions(std::string(1000, 'r'))}) {
    for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
      std::string damaged = message;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(decode_exact(damaged, "north")) << bit;
    }
  }
}

// Damage that carries a right checksum reads as something, as nothing, or stops the node.
TEST(Entry, forged_bytes_read_as_nothing_or_halt) {
  for (const std::string& message : {hello(), transactions("changeset"), transactions(std::string(1000, 'r'))}) {
    for (std::size_t bit = 0; bit < (message.size() - 8) * 8; ++bit) {
      std::string forged = message;
      forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ (1 << bit % 8));
      try {
        decode_exact(signed_again(forged), "north");
      } catch (const Halt&) {
      }
    }
    for (std::size_t size = 12; size < message.size(); ++size) {
      try {
        decode_exact(signed_again(message.substr(0, size)), "north");
      } catch (const Halt&) {
      }
    }
  }
}

TEST(Entry, leave_survives) {
  const auto entry = decode(encode("n", Incarnation(1), LeaveEntry{"dead", Incarnation(0xfeedu)}), "n");
  ASSERT_TRUE(entry);
  EXPECT_EQ(std::get<LeaveEntry>(entry->body).node, "dead");
  EXPECT_EQ(std::get<LeaveEntry>(entry->body).incarnation, Incarnation(0xfeedu));
}

TEST(Entry, newer_version_or_kind_halts_with_what_to_do) {
  for (const std::size_t at : {4u, 5u}) {  // version, kind
    std::string newer = hello();
    newer[at] = 9;
    try {
      decode(signed_again(newer), "north");
      FAIL() << "read at " << at;
    } catch (const Halt& halt) {
      EXPECT_NE(std::string(halt.what()).find("upgrade Colony"), std::string::npos);
      EXPECT_NE(std::string(halt.what()).find("north"), std::string::npos);
    }
  }
}

TEST(Entry, transactions_without_chunks_or_number_are_none) {
  EXPECT_FALSE(decode(encode("n", Incarnation(1), TransactionsEntry{ChunkNumber(1), {}}), "n"));
  TransactionsEntry zeroth;
  zeroth.first = ChunkNumber(0);
  zeroth.chunks.push_back({true, 0, "x"});
  EXPECT_FALSE(decode(encode("n", Incarnation(1), zeroth), "n"));
}

TEST(Entry, hash_tells_messages_apart) {
  EXPECT_EQ(message_hash("a"), message_hash("a"));
  EXPECT_NE(message_hash("a"), message_hash("b"));
  EXPECT_NE(message_hash(""), message_hash(std::string(1, '\0')));
}

const SigningKey& key() {
  static const SigningKey made = SigningKey::from_seed(std::string(32, 'k'));
  return made;
}

std::string signed_hello(const LogName& log = {"c", "epoch"}) {
  const Seal seal{key(), log, Sequence(7)};
  return encode("north", kIncarnation, HelloEntry{"host", "/db", "1"}, &seal);
}

bool is_vouched_for(const std::string& message, const LogName& log = {"c", "epoch"}) {
  const auto envelope = open_envelope(message, "north");
  return envelope && Trust{1, {{"north", key().public_key()}}}.vouches_for(*envelope, log);
}

TEST(SignedEntry, reads_as_the_unsigned_one_and_is_of_a_version_of_its_own) {
  const std::string message = signed_hello();
  EXPECT_EQ(message[4], 2);
  EXPECT_EQ(hello()[4], 1);
  const auto entry = decode(message, "north");
  ASSERT_TRUE(entry);
  EXPECT_EQ(std::get<HelloEntry>(entry->body).path, "/db");
  EXPECT_EQ(open_envelope(message, "north")->seen, Sequence(7));
  EXPECT_TRUE(is_vouched_for(message));
}

TEST(SignedEntry, every_byte_is_covered) {
  const std::string message = signed_hello();
  for (std::size_t at = 0; at + 8 < message.size(); ++at) {
    std::string changed = message.substr(0, message.size() - 8);
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const std::uint64_t checksum = message_hash(changed);
    changed.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
    EXPECT_FALSE(is_vouched_for(changed)) << at;
  }
}

TEST(SignedEntry, counts_in_its_own_log_alone) {
  EXPECT_FALSE(is_vouched_for(signed_hello(), {"c", "epoch2"}));
  EXPECT_FALSE(is_vouched_for(signed_hello(), {"d", "epoch"}));
  EXPECT_FALSE(is_vouched_for(signed_hello({"ce", "poch"})));
  EXPECT_FALSE(is_vouched_for(hello()));
}

TEST(SignedEntry, keys_survive_their_texts) {
  EXPECT_EQ(PublicKey::parse(key().public_key().text()), key().public_key());
  for (const char* const text : {"", "00", "zz"}) EXPECT_FALSE(PublicKey::parse(text)) << text;
  EXPECT_FALSE(PublicKey::parse(key().public_key().text() + "0"));
}

// What verifies under them proves nothing: here, a signature that nobody has made.
TEST(SignedEntry, weak_keys_are_known) {
  EXPECT_FALSE(is_weak(key().public_key()));
  const PublicKey one = *PublicKey::parse("01" + std::string(62, '0'));
  const std::string nobodys = std::string("\1") + std::string(63, '\0');
  EXPECT_TRUE(one.verifies("whatever", nobodys));
  EXPECT_TRUE(is_weak(one));
  EXPECT_TRUE(is_weak(PublicKey()));
  EXPECT_TRUE(is_weak(*PublicKey::parse(std::string(62, '0') + "80")));
  EXPECT_TRUE(is_weak(*PublicKey::parse("ec" + std::string(60, 'f') + "7f")));
}

TEST(TrustEntry, is_read_as_it_was_written) {
  const TrustEntry written{5, {{"north", key().public_key()}, {"south", PublicKey()}}};
  const auto entry = decode(encode("north", kIncarnation, written), "north");
  ASSERT_TRUE(entry);
  EXPECT_EQ(std::get<TrustEntry>(entry->body).version, 5u);
  EXPECT_EQ(std::get<TrustEntry>(entry->body).keys, written.keys);
}

TEST(TrustEntry, without_keys_or_with_a_bad_name_is_no_entry) {
  EXPECT_FALSE(decode(encode("north", kIncarnation, TrustEntry{1, {}}), "north"));
  EXPECT_FALSE(decode(encode("north", kIncarnation, TrustEntry{1, {{"a b", PublicKey()}}}), "north"));
}

TEST(VerifiedEntries, know_each_message_and_the_key_that_it_was_looked_at_with) {
  const LogName log{"c", "epoch"};
  const Trust trust{1, {{"north", key().public_key()}}};
  const std::vector<Message> messages{
      {Sequence(4), "north", signed_hello()}, {Sequence(5), "north", hello()}, {Sequence(6), "south", signed_hello()}};
  VerifiedEntries verified;
  verified.look_at(messages, trust, log);
  EXPECT_EQ(verified.is_genuine(Sequence(4), key().public_key()), true);
  EXPECT_EQ(verified.is_genuine(Sequence(5), key().public_key()), false);
  EXPECT_EQ(verified.is_genuine(Sequence(4), PublicKey()), std::nullopt);
  EXPECT_EQ(verified.is_genuine(Sequence(6), key().public_key()), std::nullopt);

  const PublicKey later = SigningKey::from_seed(std::string(32, 'l')).public_key();
  verified.look_at(messages, {2, {{"north", later}}}, log);
  EXPECT_EQ(verified.is_genuine(Sequence(4), later), false);
  EXPECT_EQ(verified.is_genuine(Sequence(4), key().public_key()), std::nullopt);
  verified.look_at({messages[1]}, trust, log);
  EXPECT_EQ(verified.is_genuine(Sequence(4), later), std::nullopt);
}

}  // namespace
}  // namespace colony
