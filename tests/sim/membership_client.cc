#include "tests/sim/membership_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"

namespace regent::sim {
namespace {

constexpr Duration kPatience = std::chrono::seconds(15);

}  // namespace

MembershipClient::MembershipClient(Loop& loop, uint64_t seed, const std::vector<api::Member>& first, Events events,
                                   MembershipCounters& counters)
    : loop_(loop),
      random_(seed),
      size_(first.size()),
      events_(std::move(events)),
      counters_(counters),
      voters_(first.size()) {
  for (const api::Member& member : first) known_.insert(member.id);
}

void MembershipClient::Act() {
  if (busy_ && loop_.Now() - busy_since_ > kPatience) GiveUp();
  server::Node* node = events_.any_node();
  if (busy_ || node == nullptr) return;
  busy_ = true;
  busy_since_ = loop_.Now();
  node->MemberList(/*linearizable=*/true, server::MonotonicTime::max(),
                   [this, epoch = epoch_](absl::StatusOr<std::vector<api::Member>> list) {
                     loop_.Post([this, epoch, list = std::move(list)] {
                       if (epoch != epoch_) return;
                       if (!list.ok()) return GiveUp();
                       Reconcile(*list);
                       Choose(*list);
                     });
                   });
}

bool MembershipClient::Lose(uint64_t id) {
  if (lost_.has_value() || busy_ || unknown_ || voters_ < 3 || !known_.contains(id)) return false;
  lost_ = id;
  ++counters_.disks_lost;
  return true;
}

void MembershipClient::Reconcile(const std::vector<api::Member>& list) {
  unknown_ = false;
  std::set<uint64_t> now;
  for (const api::Member& member : list) now.insert(member.id);
  voters_ = static_cast<size_t>(
      std::count_if(list.begin(), list.end(), [](const api::Member& member) { return !member.is_learner; }));
  for (const uint64_t id : now) {
    if (known_.insert(id).second) events_.on_new(id, list);
  }
  std::vector<uint64_t> gone;
  std::set_difference(known_.begin(), known_.end(), now.begin(), now.end(), std::back_inserter(gone));
  for (const uint64_t id : gone) {
    known_.erase(id);
    if (lost_ == id) lost_.reset();
    events_.on_gone(id);
  }
}

void MembershipClient::Choose(const std::vector<api::Member>& list) {
  std::vector<uint64_t> voters, learners;
  for (const api::Member& member : list) (member.is_learner ? learners : voters).push_back(member.id);
  if (lost_.has_value()) return Propose(api::MemberRemoveRequest{.id = *lost_}, &counters_.removals);
  if (!learners.empty()) {
    if (random_() % 5 == 0) return Propose(api::MemberRemoveRequest{.id = learners[0]}, &counters_.removals);
    return Propose(api::MemberPromoteRequest{.id = learners[0]}, &counters_.promotions);
  }
  const bool remove = voters.size() > size_ || (voters.size() == size_ && size_ > 2 && random_() % 2 == 0);
  if (!remove) return Add();
  Propose(api::MemberRemoveRequest{.id = voters[random_() % voters.size()]}, &counters_.removals);
}

void MembershipClient::Add() {
  const std::string url = absl::StrCat("http://10.0.1.", ++addresses_, ":2380");
  Propose(api::MemberAddRequest{.peer_urls = {url}, .is_learner = true}, &counters_.adds);
}

void MembershipClient::Propose(api::WriteRequest request, uint64_t* counter) {
  server::Node* node = events_.any_node();
  if (node == nullptr) return GiveUp();
  unknown_ = true;
  node->Propose(
      std::move(request), server::MonotonicTime::max(),
      [this, epoch = epoch_, counter](absl::StatusOr<api::WriteResult> result) {
        loop_.Post([this, epoch, counter, result = std::move(result)] {
          if (epoch != epoch_) return;
          busy_ = false;
          if (result.ok()) {
            ++*counter;
            return Reconcile(std::get<api::MembersResult>(*result).members);
          }
          ++(result.status() == api::ErrLearnerNotReady() ? counters_.promotions_refused : counters_.changes_failed);
        });
      });
}

}  // namespace regent::sim
