#include "replicator/broker/entry_publisher.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::chrono::seconds kAnswerWait{5};
constexpr std::size_t kUnansweredMax = 4096;
constexpr std::size_t kUnansweredBytesMax = 32u << 20;

// The description in a JetStream answer that is an error, or nothing.
std::string error_in_answer(std::string_view text) {
  const nlohmann::json answer = nlohmann::json::parse(text, nullptr, false);
  if (!answer.is_object()) return "the broker's answer is no JSON: " + std::string(text.substr(0, 200));
  const auto error = answer.find("error");
  if (error == answer.end()) return {};
  const auto description = error->is_object() ? error->find("description") : error->end();
  const bool is_told = error->is_object() && description != error->end() && description->is_string();
  return is_told ? description->get<std::string>() : error->dump();
}

}  // namespace

void PublishFailures::add(const std::string& text) {
  std::lock_guard lock(mutex_);
  ++count_;
  latest_ = text;
}

std::uint64_t PublishFailures::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

std::string PublishFailures::latest() const {
  std::lock_guard lock(mutex_);
  return latest_;
}

EntryPublisher::EntryPublisher(natsConnection* connection, std::string subject,
                               std::shared_ptr<PublishFailures> failures)
    : connection_(connection), subject_(std::move(subject)), failures_(std::move(failures)) {
  natsInbox* inbox = nullptr;
  require_nats(natsInbox_Create(&inbox), "no inbox for the broker's answers");
  NatsInboxHandle owner(inbox);
  inbox_ = std::string(inbox) + ".";

  natsSubscription* answers = nullptr;
  require_nats(natsConnection_SubscribeSync(&answers, connection_, (inbox_ + "*").c_str()),
               "no subscription for the broker's answers");
  answers_.reset(answers);
  // There are never more answers than what is unanswered, and that is bounded.
  require_nats(natsSubscription_SetPendingLimits(answers, -1, -1), "no limits for the broker's answers");
}

EntryPublisher::~EntryPublisher() {
  std::lock_guard lock(mutex_);
  collect_locked();
  fail_all("the connection was given up before the broker answered");
}

void EntryPublisher::publish(std::string_view entry) {
  wait_for_room();
  const std::uint64_t number = enter(entry.size());
  const natsStatus status =
      natsConnection_PublishRequest(connection_, subject_.c_str(), (inbox_ + std::to_string(number)).c_str(),
                                    entry.data(), static_cast<int>(entry.size()));
  if (status == NATS_OK) return;
  {
    std::lock_guard lock(mutex_);
    settle(number);
  }
  if (status == NATS_MAX_PAYLOAD) {
    throw Error("an entry of " + std::to_string(entry.size()) + " bytes is larger than the broker's max_payload");
  }
  throw LogUnavailable("publishing to " + subject_ + " failed: " + nats_failure(status));
}

void EntryPublisher::collect() {
  std::lock_guard lock(mutex_);
  collect_locked();
}

std::uint64_t EntryPublisher::enter(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  unanswered_.push_back({Clock::now() + kAnswerWait, bytes});
  unanswered_bytes_ += bytes;
  return first_number_ + unanswered_.size() - 1;
}

void EntryPublisher::wait_for_room() {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      collect_locked();
      if (unanswered_.size() < kUnansweredMax && unanswered_bytes_ < kUnansweredBytesMax) return;
    }
    // Without the lock, so that collect() stays quick for others. An overdue
    // answer or a lost connection makes room as well.
    constexpr std::int64_t kSliceMs = 100;
    natsMsg* answer = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&answer, answers_.get(), kSliceMs);
    NatsMessageHandle owner(answer);
    std::lock_guard lock(mutex_);
    book(status, answer);
  }
}

void EntryPublisher::collect_locked() {
  natsStatus status = NATS_OK;
  while (!unanswered_.empty() && status != NATS_TIMEOUT) {
    natsMsg* answer = nullptr;
    status = natsSubscription_NextMsg(&answer, answers_.get(), 0);
    NatsMessageHandle owner(answer);
    book(status, answer);
  }
  drop_settled();
}

// What the library made of waiting for an answer.
void EntryPublisher::book(natsStatus status, natsMsg* answer) {
  if (status == NATS_OK) {
    book_answer(answer);
  } else if (status == NATS_NO_RESPONDERS) {
    // The library keeps to itself which entry it is about. Answers come in
    // order, so it is the oldest, or one that will have the same fate.
    failures_->add("no stream takes " + subject_ + ": the log is gone, or JetStream is off");
    settle_oldest();
  } else if (status != NATS_TIMEOUT) {
    fail_all("the connection was lost before the broker answered");
  }
}

void EntryPublisher::book_answer(natsMsg* answer) {
  const std::string_view subject = natsMsg_GetSubject(answer);
  if (subject.size() <= inbox_.size()) return;
  const std::string_view token = subject.substr(inbox_.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (error != std::errc() || end != token.data() + token.size()) return;
  // An answer that is overdue was booked as a failure already.
  if (number < first_number_ || number - first_number_ >= unanswered_.size()) return;
  if (unanswered_[number - first_number_].settled) return;

  if (std::string text = error_in_answer({natsMsg_GetData(answer), size_t(natsMsg_GetDataLength(answer))});
      !text.empty()) {
    failures_->add("the broker refused an entry: " + text);
  }
  settle(number);
}

void EntryPublisher::settle(std::uint64_t number) {
  if (number < first_number_ || number - first_number_ >= unanswered_.size()) return;
  Unanswered& entry = unanswered_[number - first_number_];
  if (!entry.settled) unanswered_bytes_ -= entry.bytes;
  entry.settled = true;
}

void EntryPublisher::settle_oldest() {
  for (std::size_t i = 0; i < unanswered_.size(); ++i) {
    if (!unanswered_[i].settled) return settle(first_number_ + i);
  }
}

void EntryPublisher::drop_settled() {
  const Clock::time_point now = Clock::now();
  while (!unanswered_.empty() && (unanswered_.front().settled || unanswered_.front().deadline <= now)) {
    if (!unanswered_.front().settled) {
      failures_->add("the broker did not answer within " + std::to_string(kAnswerWait.count()) + " s");
      settle(first_number_);
    }
    unanswered_.pop_front();
    ++first_number_;
  }
}

void EntryPublisher::fail_all(const std::string& why) {
  for (const Unanswered& entry : unanswered_) {
    if (!entry.settled) failures_->add(why);
  }
  first_number_ += unanswered_.size();
  unanswered_.clear();
  unanswered_bytes_ = 0;
}

}  // namespace colony
