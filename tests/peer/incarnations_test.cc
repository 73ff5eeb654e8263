// Who comes back without its data folder is told from who comes back with it.
#include "server/peer/incarnations.h"

#include <gmock/gmock.h>

#include "tests/peer/transport_fixture.h"

namespace regent::testing {
namespace {

using server::Hello;
using server::Incarnations;
using server::RefusalReason;
using ::testing::HasSubstr;

Hello From(uint64_t member, uint64_t incarnation) { return {.from = {member}, .to = {1}, .incarnation = incarnation}; }

TEST(IncarnationsTest, WhatIsPublishedCountsAndBeforeThatWhoWasHeardFirst) {
  Incarnations incarnations;
  incarnations.SetMembers({{.id = 1, .incarnation = 11}, {.id = 2}, {.id = 3}});
  EXPECT_FALSE(incarnations.Judge(From(1, 11)).has_value());
  const auto refusal = incarnations.Judge(From(1, 12));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, RefusalReason::kForgot);
  EXPECT_THAT(refusal->text, HasSubstr("member 1 has already been bootstrapped"));
  EXPECT_THAT(refusal->text, HasSubstr("remove the member from the cluster and add it again"));
  EXPECT_FALSE(incarnations.Judge(From(2, 0)).has_value()) << "it does not say";
  EXPECT_FALSE(incarnations.Judge(From(2, 21)).has_value());
  ASSERT_TRUE(incarnations.Judge(From(2, 22)).has_value());
  EXPECT_EQ(incarnations.Judge(From(2, 22))->reason, RefusalReason::kOther) << "the first one may have been a stranger";
  // What another member's list says is no news about whom nobody has published.
  incarnations.SetMembers({{.id = 1, .incarnation = 11}, {.id = 2}, {.id = 3}});
  EXPECT_TRUE(incarnations.Judge(From(2, 22)).has_value());
  // The log decides.
  incarnations.SetMembers({{.id = 1, .incarnation = 11}, {.id = 2, .incarnation = 22}});
  EXPECT_FALSE(incarnations.Judge(From(2, 22)).has_value());
  EXPECT_TRUE(incarnations.Judge(From(2, 21)).has_value());
  EXPECT_FALSE(incarnations.Judge(From(9, 1)).has_value());
  EXPECT_FALSE(incarnations.Judge(From(9, 2)).has_value()) << "strangers are not remembered";
}

TEST(IncarnationsTest, WhoAsksForTheMembersIsToldWhatWasHeard) {
  Incarnations incarnations;
  incarnations.SetMembers({{.id = 1, .incarnation = 11}, {.id = 2}, {.id = 3}});
  incarnations.Judge(From(2, 21));
  const auto told = incarnations.Complete({{.id = 1, .incarnation = 11}, {.id = 2}, {.id = 3}, {.id = 4}});
  EXPECT_EQ(told[0].incarnation, 11u);
  EXPECT_EQ(told[1].incarnation, 21u);
  EXPECT_EQ(told[2].incarnation, 0u);
  EXPECT_EQ(told[3].incarnation, 0u);
}

TEST(IncarnationsTest, AConnectionEndsWhenItTurnsOutThatItsMemberForgot) {
  Incarnations incarnations;
  incarnations.SetMembers({{.id = 1}, {.id = 2}});
  Member a(1), b(2, [](server::TransportOptions&options) { options.incarnation = 22; });
  a.Start([&](const Hello& hello) { return incarnations.Judge(hello); });
  b.Start();
  b.transport().SetPeers({{a.id(), {a.url()}}});
  a.transport().SetPeers({{b.id(), {b.url()}}});
  ASSERT_TRUE(Await([&] { return b.Connected(a) && a.Connected(b); }));
  b.Say(a.id(), 1);
  ASSERT_TRUE(Await([&] { return a.heard().size() == 1; }));
  incarnations.SetMembers({{.id = 1}, {.id = 2, .incarnation = 21}});
  a.transport().SetPeers({{b.id(), {b.url()}}});
  ASSERT_TRUE(Await([&] { return b.refusals() > 0; }));
  EXPECT_FALSE(b.Connected(a));
  b.Say(a.id(), 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(a.heard().size(), 1u);
}

}  // namespace
}  // namespace regent::testing
