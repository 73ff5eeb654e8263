// Members in the store: what the log says about them is what every member knows, and a restart changes nothing.
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "api/contract/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "storage/log_outline.h"
#include "storage/members.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

using ::testing::ElementsAre;

raft::Entry Configuration(uint64_t index, raft::Configuration configuration, api::WriteRequest request) {
  const std::string context = EncodeCommand({.request = {.node = 1, .sequence = index}, .body = std::move(request)});
  return raft::Entry{.index = {index},
                     .term = {1},
                     .type = raft::EntryType::kConfiguration,
                     .data = raft::Encode(raft::ConfigurationEntry{std::move(configuration), context})};
}

// Of a change whose request came with the entry before.
raft::Entry Last(uint64_t index, raft::Configuration configuration) {
  return raft::Entry{.index = {index},
                     .term = {1},
                     .type = raft::EntryType::kConfiguration,
                     .data = raft::Encode(raft::ConfigurationEntry{std::move(configuration), ""})};
}

api::Member Named(uint64_t id, const std::string& name) {
  return {.id = id, .name = name, .peer_urls = {"http://" + name + ":2380"}};
}

std::vector<uint64_t> Ids(const std::vector<api::Member>& members) {
  std::vector<uint64_t> ids;
  for (const api::Member& member : members) ids.push_back(member.id);
  return ids;
}

TEST(StoreMembers, FollowTheLogAndSurviveARestart) {
  Store store;
  store.ApplyTurn(
      {Configuration(1, {.voters = {{1}, {2}}}, api::MemberBootstrapRequest{.members = {Named(1, "a"), Named(2, "b")}}),
       Configuration(2, {.voters = {{1}, {2}}, .outgoing_voters = {}, .learners = {{3}}},
                     api::MemberAddRequest{.id = 3, .peer_urls = {"http://c:2380"}, .is_learner = true}),
       Configuration(3, {.voters = {{1}}, .outgoing_voters = {{1}, {2}}, .learners = {{3}}},
                     api::MemberRemoveRequest{.id = 2})});
  // Between the two halves of the change nothing is told or answered, over a restart too.
  EXPECT_THAT(Ids(store.machine().Members()), ElementsAre(1, 2, 3));
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  EXPECT_TRUE(store.machine().RemovedMembers().empty());
  const ApplyOutcome last = store.ApplyTurn({Last(4, {.voters = {{1}}, .outgoing_voters = {}, .learners = {{3}}})});
  ASSERT_EQ(last.answers.size(), 1u);
  EXPECT_EQ(last.answers[0].request.sequence, 3u);
  const auto check = [&store] {
    const std::vector<api::Member> members = store.machine().Members();
    EXPECT_THAT(Ids(members), ElementsAre(1, 3));
    EXPECT_FALSE(members[0].is_learner);
    EXPECT_TRUE(members[1].is_learner);
    EXPECT_THAT(store.machine().RemovedMembers(), ElementsAre(2));
  };
  check();
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  check();
  EXPECT_EQ(store.view()->revision().value, 1) << "members make no revision";
}

TEST(StoreMembers, PublishingAndUpdatingChangeTheirOwnFieldsAlone) {
  Store store;
  store.ApplyTurn({Configuration(1, {.voters = {{1}, {2}}},
                                 api::MemberBootstrapRequest{.members = {Named(1, "a"), Named(2, "b")}})});
  ASSERT_TRUE(store.Apply(api::MemberPublishRequest{.id = 1, .name = "new", .client_urls = {"http://a:2379"}}).ok());
  ASSERT_TRUE(store.Apply(api::MemberUpdateRequest{.id = 1, .peer_urls = {"http://a:1", "http://a:2"}}).ok());
  EXPECT_EQ(store.Apply(api::MemberUpdateRequest{.id = 2, .peer_urls = {"http://a:2"}}).status(),
            api::ErrPeerUrlExists());
  EXPECT_EQ(store.Apply(api::MemberPublishRequest{.id = 9}).status(), api::ErrMemberNotFound());
  const api::Member first = store.machine().Members()[0];
  EXPECT_EQ(first.name, "new");
  EXPECT_THAT(first.client_urls, ElementsAre("http://a:2379"));
  EXPECT_THAT(first.peer_urls, ElementsAre("http://a:1", "http://a:2"));
}

TEST(StoreMembers, TheIncarnationThatIsPublishedFirstStays) {
  Store store;
  store.ApplyTurn({Configuration(1, {.voters = {{1}}}, api::MemberBootstrapRequest{.members = {Named(1, "a")}})});
  EXPECT_EQ(store.machine().Members()[0].incarnation, 0u);
  ASSERT_TRUE(store.Apply(api::MemberPublishRequest{.id = 1, .name = "a", .incarnation = 7}).ok());
  const absl::Status other = store.Apply(api::MemberPublishRequest{.id = 1, .name = "b", .incarnation = 8}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(other)) << other;
  ASSERT_TRUE(store.Apply(api::MemberPublishRequest{.id = 1, .name = "c"}).ok()) << "of an earlier version";
  ASSERT_TRUE(store.Apply(api::MemberPublishRequest{.id = 1, .name = "d", .incarnation = 7}).ok());
  ASSERT_TRUE(store.Apply(api::MemberUpdateRequest{.id = 1, .peer_urls = {"http://a:1"}}).ok());
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  EXPECT_EQ(store.machine().Members()[0].incarnation, 7u);
  EXPECT_EQ(store.machine().Members()[0].name, "d");
}

TEST(StoreMembers, OneThatAwaitsItsVoteIsShownAsAVoterAndThenIsOne) {
  Store store;
  store.ApplyTurn({Configuration(1, {.voters = {{1}}}, api::MemberBootstrapRequest{.members = {Named(1, "a")}}),
                   Configuration(2, {.voters = {{1}}, .outgoing_voters = {}, .learners = {{2}}},
                                 api::MemberAddRequest{.id = 2, .peer_urls = {"http://b:2380"}})});
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  EXPECT_TRUE(store.machine().Members()[1].awaits_vote);
  EXPECT_FALSE(store.machine().Members()[1].is_learner);
  ASSERT_TRUE(store.Apply(api::MemberPublishRequest{.id = 2, .name = "b", .incarnation = 7}).ok());
  EXPECT_TRUE(store.machine().Members()[1].awaits_vote);
  store.ApplyTurn({Configuration(4, {.voters = {{1}, {2}}, .outgoing_voters = {{1}}, .learners = {}},
                                 api::MemberPromoteRequest{.id = 2}),
                   Last(5, {.voters = {{1}, {2}}})});
  EXPECT_FALSE(store.machine().Members()[1].awaits_vote);
  EXPECT_FALSE(store.machine().Members()[1].is_learner);
  EXPECT_EQ(store.machine().Members()[1].incarnation, 7u);
}

TEST(StoreMembers, ARowWithAnIncarnationComesBackAsItWas) {
  const api::Member member{.id = 7, .name = "n", .peer_urls = {"u"}, .client_urls = {"c"}, .incarnation = 9};
  const std::string whole = EncodeMemberRow(member);
  EXPECT_EQ(ParseMemberRow(7, whole), member);
  for (const uint64_t incarnation : {0, 9}) {
    api::Member awaiting = member;
    awaiting.incarnation = incarnation;
    awaiting.awaits_vote = true;
    EXPECT_EQ(ParseMemberRow(7, EncodeMemberRow(awaiting)), awaiting);
  }
  for (size_t size = whole.size() - 7; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseMemberRow(7, whole.substr(0, size)).has_value());
  }
}

TEST(StoreMembers, CommandsWithAndWithoutAnIncarnationComeBackAsTheyWere) {
  const auto back = [](const auto& body) {
    const absl::StatusOr<Command> command = DecodeCommand(EncodeCommand({.body = body}));
    return command.ok() && std::get<std::decay_t<decltype(body)>>(command->body) == body;
  };
  EXPECT_TRUE(back(api::MemberPublishRequest{.id = 1, .name = "a", .client_urls = {"c"}}));
  EXPECT_TRUE(back(api::MemberPublishRequest{.id = 1, .name = "a", .client_urls = {"c"}, .incarnation = UINT64_MAX}));
  EXPECT_TRUE(back(api::MemberBootstrapRequest{
      .members = {{.id = 1, .is_learner = true, .incarnation = 5}, {.id = 2}, {.id = 3, .incarnation = 6}}}));
}

TEST(StoreMembers, AMalformedRowIsTold) {
  const std::string whole = EncodeMemberRow({.name = "n", .peer_urls = {"u", ""}, .client_urls = {"c"}});
  ASSERT_TRUE(ParseMemberRow(7, whole).has_value());
  EXPECT_EQ(ParseMemberRow(7, whole)->peer_urls.size(), 2u);
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(ParseMemberRow(7, whole.substr(0, size)).has_value());
  EXPECT_FALSE(ParseMemberRow(7, whole + "x").has_value());
}

TEST(LogOutline, KeepsRunsAndConfigurationsOfWhatIsLive) {
  constexpr auto kNormal = raft::EntryType::kNormal, kConfiguration = raft::EntryType::kConfiguration;
  LogOutline outline;
  outline.AddEntry({1}, {1}, kConfiguration);
  outline.AddEntry({2}, {1}, kNormal);
  outline.AddEntry({3}, {2}, kConfiguration);
  outline.AddEntry({4}, {3}, kNormal);
  outline.AddEntry({3}, {4}, kNormal);  // discards what stood at 3 and 4
  EXPECT_THAT(outline.terms(), ElementsAre(raft::TermRun{{1}, {1}}, raft::TermRun{{3}, {4}}));
  EXPECT_THAT(outline.configurations(), ElementsAre(raft::Index{1}));
  outline.StartBehind({1});
  EXPECT_THAT(outline.terms(), ElementsAre(raft::TermRun{{2}, {1}}, raft::TermRun{{3}, {4}}));
  EXPECT_TRUE(outline.configurations().empty());
  outline.StartBehind({3});
  EXPECT_THAT(outline.terms(), ElementsAre(raft::TermRun{{4}, {4}}));
  outline.SetBase();
  EXPECT_TRUE(outline.terms().empty());
}

}  // namespace
}  // namespace regent::storage
