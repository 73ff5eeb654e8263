// The small parts by themselves: quorum arithmetic, the log's terms, progress.
#include <gtest/gtest.h>

#include <algorithm>

#include "raft/log.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/random.h"
#include "tests/raft/cluster.h"

namespace regent::raft {
namespace {

TEST(Quorum, IsTheBestValueThatAMajorityReached) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t size = 1 + random.Below(9);
    std::vector<uint64_t> values;
    for (uint64_t i = 0; i < size; ++i) values.push_back(random.Below(6));
    // By definition: the largest v such that more than half have at least v.
    uint64_t expected = 0;
    for (uint64_t v = 0; v < 6; ++v) {
      const auto count =
          static_cast<uint64_t>(std::count_if(values.begin(), values.end(), [&](uint64_t x) { return x >= v; }));
      if (2 * count > size) expected = v;
    }
    EXPECT_EQ(ReachedByQuorum(MakeConfiguration(size), [&](NodeId id) { return values[id.value - 1]; }), expected);
  }
}

TEST(Quorum, OfAJointConfigurationIsTheSmallerOfBoth) {
  Configuration joint{.voters = {{1}, {2}, {3}}, .outgoing_voters = {{3}, {4}, {5}}};
  const uint64_t values[] = {0, 9, 9, 9, 2, 3};
  EXPECT_EQ(ReachedByQuorum(joint, [&](NodeId id) { return values[id.value]; }), 3u);
}

TEST(Quorum, AVoteIsLostAsSoonAsItCannotBeWon) {
  const Configuration four = MakeConfiguration(4);
  EXPECT_EQ(CountVotes(four, {{{1}, true}, {{2}, true}}), VoteOutcome::kPending);
  EXPECT_EQ(CountVotes(four, {{{1}, true}, {{2}, false}, {{3}, false}}), VoteOutcome::kLost);
  EXPECT_EQ(CountVotes(four, {{{1}, true}, {{2}, true}, {{3}, true}}), VoteOutcome::kWon);
}

TEST(Log, KnowsTheTermsItWasGivenAndThoseItAppended) {
  Log log({2}, {1}, {6}, {3}, {{{1}, {1}}, {{4}, {2}}, {{6}, {3}}}, {});
  EXPECT_EQ(log.TermAt({1}), std::nullopt) << "before the base";
  EXPECT_EQ(log.TermAt({2}), Term{1});
  EXPECT_EQ(log.TermAt({3}), Term{1});
  EXPECT_EQ(log.TermAt({5}), Term{2});
  EXPECT_EQ(log.TermAt({6}), Term{3});
  EXPECT_EQ(log.TermAt({7}), std::nullopt);
  log.Append({.index = {7}, .term = {5}});
  EXPECT_EQ(log.TermAt({7}), Term{5});
  log.TruncateFrom({5});
  EXPECT_EQ(log.last_index(), Index{4});
  EXPECT_EQ(log.last_term(), Term{2});
}

TEST(Log, WithoutTermsKnowsOnlyItsEnds) {
  Log log({}, {}, {6}, {3}, {}, {});
  EXPECT_EQ(log.TermAt({0}), Term{0});
  EXPECT_EQ(log.TermAt({5}), std::nullopt);
  EXPECT_EQ(log.TermAt({6}), Term{3});
  EXPECT_EQ(log.first_in_memory(), Index{7});
}

// Against a plain vector of terms.
TEST(Log, AgreesWithASimpleModel) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint64_t> model;
    Log log({}, {}, {}, {}, {}, {});
    for (int step = 0; step < 60; ++step) {
      if (model.empty() || random.Below(3) != 0) {
        model.push_back((model.empty() ? 1 : model.back()) + (random.Below(4) == 0 ? 1 : 0));
        log.Append({.index = {model.size()}, .term = {model.back()}, .data = std::string(random.Below(9), 'x')});
      } else if (random.Below(2) == 0) {
        const uint64_t from = 1 + random.Below(model.size());
        if (from < log.first_in_memory().value) continue;
        model.resize(from - 1);
        log.TruncateFrom({from});
      } else {
        log.Trim({random.Below(model.size() + 1)}, random.Below(20));
      }
      ASSERT_EQ(log.last_index().value, model.size());
      for (uint64_t i = 1; i <= model.size(); ++i) ASSERT_EQ(log.TermAt({i}), Term{model[i - 1]});
      if (model.empty()) continue;
      const uint64_t at = 1 + random.Below(model.size());
      const uint64_t term = random.Below(6);
      uint64_t expected = at;
      while (expected > 0 && model[expected - 1] > term) --expected;
      ASSERT_EQ(log.LastNotAbove({at}, {term}, {0}).value, expected);
    }
  }
}

TEST(Progress, AnAcknowledgementFreesWhatItCoversAndNeverGoesBack) {
  CoreOptions options;
  Progress peer;
  peer.next = {5};
  EXPECT_TRUE(peer.Accepted({4}));
  EXPECT_EQ(peer.state, Progress::State::kReplicate);
  peer.Sent({6}, 10);
  peer.Sent({8}, 10);
  EXPECT_TRUE(peer.Accepted({6}));
  EXPECT_EQ(peer.in_flight.size(), 1u);
  EXPECT_EQ(peer.in_flight_bytes, 10u);
  EXPECT_FALSE(peer.Accepted({5}));
  EXPECT_EQ(peer.match, Index{6});
  EXPECT_TRUE(peer.MaySendEntries(options));
}

TEST(Progress, ARejectionFallsBackButNotBelowWhatMatches) {
  Progress peer;
  peer.next = {5};
  peer.Accepted({4});
  peer.Sent({6}, 1);
  EXPECT_TRUE(peer.Rejected({6}, {2}));
  EXPECT_EQ(peer.state, Progress::State::kProbe);
  EXPECT_EQ(peer.next, Index{5});
  EXPECT_FALSE(peer.Rejected({9}, {2})) << "not the probe that is out";
}

TEST(Bytes, ShareAndCompareByContent) {
  const Bytes a("data");
  const Bytes b = a;
  EXPECT_EQ(a.data(), b.data());
  EXPECT_EQ(a, Bytes(std::string("data")));
  EXPECT_NE(a, Bytes("other"));
  EXPECT_TRUE(Bytes(std::string()).empty());
  EXPECT_EQ(std::string(b), "data");
}

TEST(Log, LooksNotBelowItsBaseForAnOlderTerm) {
  const Log log({5}, {3}, {7}, {4}, {{{6}, {4}}}, {});
  EXPECT_EQ(log.LastNotAbove({7}, {3}, {0}), Index{5});
  EXPECT_EQ(log.LastNotAbove({7}, {2}, {0}), Index{4});
  EXPECT_EQ(log.LastNotAbove({5}, {2}, {0}), Index{4});
  EXPECT_EQ(log.LastNotAbove({5}, {2}, {5}), Index{5});
  EXPECT_EQ(log.LastNotAbove({3}, {2}, {0}), Index{3}) << "not known";
}

}  // namespace
}  // namespace regent::raft
