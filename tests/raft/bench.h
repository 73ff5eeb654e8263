// One core on a bench: the test plays its owner and all other nodes.
#pragma once

#include <iterator>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "raft/core.h"
#include "tests/raft/cluster.h"

namespace regent::raft {

class Bench {
 public:
  struct Setup {
    uint64_t id = 1;
    Configuration configuration = MakeConfiguration(3);
    std::vector<uint64_t> terms;  // of the log, from index 1; also its tail in memory
    HardState hard_state;         // at least the last entry's term is used
    uint64_t applied = 0;
    CoreOptions options;
    CoreMutants mutants;
    uint64_t seed = 1;
  };

  explicit Bench(const Setup& setup) : core_(Start(setup), setup.options, setup.mutants) {}

  Core& core() { return core_; }

  // Everything the core wants done now, done: steps are persisted, entries applied. Returns the parts together.
  Output Drain() {
    Output all;
    while (core_.HasOutput()) {
      Output output = core_.TakeOutput();
      Add(output.send, all.send);
      Add(output.send_after_persist, all.send);
      Add(output.append, all.append);
      Add(output.reads, all.reads);
      Add(output.reads_failed, all.reads_failed);
      Add(output.fetch, all.fetch);
      if (output.hard_state) all.hard_state = output.hard_state;
      if (output.role) all.role = output.role;
      if (output.step) core_.Persisted(*output.step);
      if (!output.apply.empty()) core_.Applied(output.apply.back().index);
      Add(output.apply, all.apply);
    }
    return all;
  }

  void Step(uint64_t from, uint64_t term, MessageBody body) {
    core_.Step({.from = {from}, .to = core_.id(), .term = {term}, .body = std::move(body)});
  }

  // Ticks until the role changes; by `votes_of` it then becomes leader.
  void BecomeLeader(std::vector<uint64_t> votes_of) {
    while (core_.role() == Role::kFollower) core_.Tick();
    Drain();
    for (uint64_t voter : votes_of) {
      Step(voter, core_.term().value, PreVoteReply{.campaign_term = {core_.term().value + 1}, .granted = true});
    }
    Drain();
    for (uint64_t voter : votes_of) Step(voter, core_.term().value, VoteReply{.granted = true});
  }

 private:
  static CoreStart Start(const Setup& setup) {
    std::vector<Entry> entries = EntriesOfTerms(setup.terms);
    const Index last{entries.size()};
    const Term last_term = entries.empty() ? Term{} : entries.back().term;
    return {.id = {setup.id},
            .configuration = setup.configuration,
            .hard_state = {std::max(setup.hard_state.term, last_term), setup.hard_state.vote},
            .last_index = last,
            .last_term = last_term,
            .applied = {setup.applied},
            .tail = std::move(entries),
            .seed = setup.seed};
  }

  template <typename T>
  static void Add(const std::vector<T>& from, std::vector<T>& to) {
    to.insert(to.end(), from.begin(), from.end());
  }

  Core core_;
};

// The messages of one kind, without their envelopes.
template <typename Body>
std::vector<Body> Bodies(const std::vector<Message>& messages) {
  std::vector<Body> bodies;
  for (const Message& message : messages) {
    if (const auto* body = std::get_if<Body>(&message.body)) bodies.push_back(*body);
  }
  return bodies;
}

}  // namespace regent::raft
