// Members over real sockets: what is said arrives, what breaks is noticed and mended, strangers get nowhere.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "server/peer/fetch_members.h"
#include "server/peer/frame.h"
#include "server/peer/look_up.h"
#include "tests/peer/random_message.h"
#include "tests/peer/transport_fixture.h"

namespace regent::testing {
namespace {

using server::Hello;
using server::OwnedFd;
using server::PeerUrls;
using server::Refusal;
using server::RefusalReason;
using ::testing::Contains;
using ::testing::ElementsAre;

// Where nobody listens, for a moment.
server::PeerUrl FreeUrl() {
  server::SocketAddress address{.host = "127.0.0.1"};
  EXPECT_TRUE(server::OpenListenSocket(address).ok());
  return {.address = address};
}

void Introduce(Member& a, Member& b) {
  a.Start();
  b.Start();
  a.transport().SetPeers({{a.id(), {a.url()}}, {b.id(), {b.url()}}});
  b.transport().SetPeers({{a.id(), {a.url()}}, {b.id(), {b.url()}}});
  ASSERT_TRUE(Await([&] { return a.Connected(b) && b.Connected(a); }));
}

TEST(TransportTest, MessagesArriveAsTheyWereInOrderBothWays) {
  Member a(1), b(2);
  Introduce(a, b);
  RandomMessages messages(1);
  std::vector<raft::Message> to_b, to_a;
  for (int turn = 0; turn < 200; ++turn) {
    std::vector<raft::Message> some;
    for (int i = 0; i < 5; ++i) some.push_back(messages.Next(a.id(), b.id()));
    to_b.insert(to_b.end(), some.begin(), some.end());
    a.transport().Send(some);
    to_a.push_back(messages.Next(b.id(), a.id()));
    b.transport().Send({to_a.back()});
  }
  ASSERT_TRUE(Await([&] { return a.heard().size() == to_a.size() && b.heard().size() == to_b.size(); }));
  EXPECT_EQ(b.heard(), to_b);
  EXPECT_EQ(a.heard(), to_a);
}

TEST(TransportTest, NotesArriveInOneOrderWithTheMessages) {
  Member a(1), b(2);
  Introduce(a, b);
  const server::PeerNote writes = server::ForwardedWrites{.commands = {"one", "", std::string(3 << 20, 'x')}};
  const server::PeerNote question = server::LeaseQuestion{.number = 7, .lease = {-5}};
  EXPECT_TRUE(a.transport().Tell(b.id(), writes));
  a.Say(b.id(), 1);
  EXPECT_TRUE(a.transport().Tell(b.id(), question));
  ASSERT_TRUE(Await([&] { return b.notes().size() == 2; }));
  EXPECT_EQ(b.heard().size(), 1u);
  EXPECT_THAT(b.notes(), ElementsAre(std::pair(a.id(), writes), std::pair(a.id(), question)));
  EXPECT_FALSE(a.transport().Tell({77}, question));
}

TEST(TransportTest, AnEntryLargerThanAnySocketsBufferArrives) {
  Member a(1), b(2);
  Introduce(a, b);
  raft::AppendRequest append{.prev_index = {5}, .prev_term = {1}, .commit = {5}};
  append.entries.push_back({.index = {6}, .term = {1}, .data = std::string(40 << 20, 'x')});
  const raft::Message message{.from = a.id(), .to = b.id(), .term = {1}, .body = append};
  a.transport().Send({message});
  a.Say(b.id(), 7);
  ASSERT_TRUE(Await([&] { return b.heard().size() == 2; }));
  EXPECT_EQ(b.heard()[0], message);
}

TEST(TransportTest, AMemberThatEndsIsGoneForTheOthers) {
  Member a(1), b(2);
  Introduce(a, b);
  EXPECT_THAT(a.gone(), ElementsAre());
  b.Stop();
  ASSERT_TRUE(Await([&] { return !a.gone().empty(); }));
  EXPECT_THAT(a.gone(), ElementsAre(b.id()));
  ASSERT_TRUE(Await([&] { return !a.transport().ConnectedSince(b.id()).has_value(); }));
}

TEST(TransportTest, AMemberThatComesBackIsFoundAgain) {
  Member a(1);
  auto b = std::make_unique<Member>(2);
  Introduce(a, *b);
  const server::PeerUrl place = b->url();
  b->Stop();
  ASSERT_TRUE(Await([&] { return !a.transport().ConnectedSince({2}).has_value(); }));
  b = std::make_unique<Member>(2, [&](server::TransportOptions& options) { options.listen = {place}; });
  b->Start();
  b->transport().SetPeers({{a.id(), {a.url()}}});
  ASSERT_TRUE(Await([&] { return a.Connected(*b) && b->Connected(a); }));
  a.Say(b->id(), 1);
  b->Say(a.id(), 2);
  ASSERT_TRUE(Await([&] { return a.heard().size() == 1 && b->heard().size() == 1; }));
}

TEST(TransportTest, OfSeveralUrlsTheOneThatAnswersIsFound) {
  Member a(1), b(2);
  a.Start();
  b.Start();
  server::PeerUrl dead = b.url();
  {
    server::SocketAddress address{.host = "127.0.0.1"};
    ASSERT_TRUE(OpenListenSocket(address).ok());  // bound and closed again: nobody is there
    dead.address.port = address.port;
  }
  a.transport().SetPeers({{b.id(), {dead, b.url()}}});
  EXPECT_TRUE(Await([&] { return a.Connected(b); }));
}

TEST(TransportTest, WhoIsNotNamedAnyMoreIsLeftAlone) {
  Member a(1), b(2);
  Introduce(a, b);
  a.transport().SetPeers({});
  ASSERT_TRUE(Await([&] { return !b.gone().empty(); }));
  EXPECT_FALSE(a.Connected(b));
  a.Say(b.id(), 1);  // dropped
}

TEST(TransportTest, AMemberOfAnotherClusterIsRefused) {
  Member a(1), b(2, [](server::TransportOptions&options) { options.cluster_id = 0xc2; });
  a.Start();
  b.Start();
  b.transport().SetPeers({{a.id(), {a.url()}}});
  b.Say(a.id(), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(b.Connected(a));
  EXPECT_TRUE(a.heard().empty());
}

TEST(TransportTest, AnAddressThatBelongsToAnotherMemberIsNoticed) {
  Member a(1), b(2);
  a.Start();
  b.Start();
  b.transport().SetPeers({{{77}, {a.url()}}});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(b.transport().ConnectedSince({77}).has_value());
}

TEST(TransportTest, TheOwnerMayRefuseSomebody) {
  Member a(1), b(2);
  a.Start([](const Hello& hello) -> std::optional<Refusal> {
    if (hello.from != raft::NodeId{2}) return std::nullopt;
    return Refusal{RefusalReason::kRemoved, "the member was removed"};
  });
  b.Start();
  b.transport().SetPeers({{a.id(), {a.url()}}});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(b.Connected(a));
}

TEST(TransportTest, WhoWantsToJoinIsToldWhoTheMembersAre) {
  Member a(1);
  a.Start();
  server::PeerUrl dead = a.url();
  dead.address.port = 1;
  const auto told = server::FetchMembers({dead, a.url()}, std::nullopt, std::chrono::milliseconds(2000));
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->cluster_id, 0xc1u);
  EXPECT_THAT(told->members,
              ElementsAre(api::Member{.id = 7, .name = "seven", .peer_urls = {"http://a:1"}, .is_learner = true}));
  const auto nobody = server::FetchMembers({dead}, std::nullopt, std::chrono::milliseconds(500));
  EXPECT_THAT(std::string(nobody.status().message()), ::testing::HasSubstr("connection refused"));
}

TEST(TransportTest, LookingUpANameGivesAddressesOrASentence) {
  const auto found = server::LookUp("localhost");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, ::testing::AnyOf(Contains("127.0.0.1"), Contains("::1")));
  EXPECT_FALSE(server::LookUp("no-such-host.invalid").ok());
}

// ---- strangers -----------------------------------------------------------------------------------------------------

OwnedFd DialRaw(const server::PeerUrl& url) {
  absl::StatusOr<OwnedFd> fd = server::BeginConnect(url.address);
  if (!fd.ok()) {
    ADD_FAILURE() << fd.status();
    return OwnedFd();
  }
  pollfd ready{.fd = fd->get(), .events = POLLOUT};
  EXPECT_EQ(poll(&ready, 1, 5000), 1);
  EXPECT_EQ(server::ConnectError(fd->get()), 0);
  return *std::move(fd);
}

// True: the other side ended the connection.
bool EndsWithin(const OwnedFd& fd, int milliseconds) {
  std::array<char, 4096> bytes;
  pollfd ready{.fd = fd.get(), .events = POLLIN};
  while (poll(&ready, 1, milliseconds) == 1) {
    if (recv(fd.get(), bytes.data(), bytes.size(), 0) <= 0) return true;
  }
  return false;
}

void SendAll(const OwnedFd& fd, std::string_view bytes) {
  EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

TEST(TransportTest, StrangersAreCutOffAndMembersGoOn) {
  Member a(1), b(2);
  Introduce(a, b);
  const std::array<std::string, 4> words = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", std::string(5000, '\xff'),
                                            server::EncodeWelcome(1),  // well formed, but no hello
                                            std::string("\x05\0\0\0\0\0\0\0hello", 13)};
  for (const std::string& word : words) {
    const OwnedFd stranger = DialRaw(a.url());
    SendAll(stranger, word);
    EXPECT_TRUE(EndsWithin(stranger, 5000)) << word.substr(0, 10);
  }
  b.Say(a.id(), 1);
  EXPECT_TRUE(Await([&] { return a.heard().size() == 1; }));
}

// A member that comes back when everybody it knew has been replaced.
TEST(TransportTest, AStrangerIsAnsweredWhereHeSaysThatHeListensForAsLongAsHeIsConnected) {
  Member a(1);
  a.Start();
  const server::PeerUrl at = FreeUrl();
  Member b(2, [&](server::TransportOptions& options) { options.listen = options.advertise = {at}; });
  b.Start();
  b.transport().SetPeers({{a.id(), {a.url()}}});
  ASSERT_TRUE(Await([&] { return a.Connected(b); }));
  a.Say(b.id(), 7);
  EXPECT_TRUE(Await([&] { return b.heard().size() == 1; }));
  b.transport().SetPeers({});
  EXPECT_TRUE(Await([&] { return !a.Connected(b); }));
}

TEST(TransportTest, NoMoreStrangersAreAnsweredThanTheLimitAllows) {
  Member a(1, [](server::TransportOptions& options) { options.strangers_max = 1; });
  a.Start();
  std::vector<std::unique_ptr<Member>> strangers;
  for (uint64_t id = 2; id < 4; ++id) {
    const server::PeerUrl at = FreeUrl();
    strangers.push_back(std::make_unique<Member>(
        id, [&](server::TransportOptions& options) { options.listen = options.advertise = {at}; }));
    strangers.back()->Start();
    strangers.back()->transport().SetPeers({{a.id(), {a.url()}}});
    ASSERT_TRUE(Await([&] { return strangers.back()->Connected(a); }));
    ASSERT_TRUE(Await([&] { return a.Connected(*strangers[0]); }));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(a.Connected(*strangers[1]));
}

TEST(TransportTest, WhoIsRemovedWhileHeIsConnectedIsCutOffAndToldWhenHeComesBack) {
  std::atomic<bool> removed = false;
  Member a(1), b(2);
  a.Start([&](const server::Hello&) -> std::optional<server::Refusal> {
    if (!removed) return std::nullopt;
    return server::Refusal{server::RefusalReason::kRemoved, "removed"};
  });
  b.Start();
  a.transport().SetPeers({{b.id(), {b.url()}}});
  b.transport().SetPeers({{a.id(), {a.url()}}});
  ASSERT_TRUE(Await([&] { return b.Connected(a); }));
  removed = true;
  a.transport().SetPeers({});
  EXPECT_TRUE(Await([&] { return b.refusals() > 0; }));
  EXPECT_TRUE(a.gone().empty());
}

TEST(TransportTest, WhoSaysNothingIsCutOffInTime) {
  Member a(1, [](server::TransportOptions& options) { options.hello_timeout = std::chrono::milliseconds(100); });
  a.Start();
  const OwnedFd stranger = DialRaw(a.url());
  EXPECT_TRUE(EndsWithin(stranger, 5000));
}

TEST(TransportTest, AMemberThatSendsGarbageIsCutOffAndNotTakenForDead) {
  Member a(1);
  a.Start();
  const OwnedFd member = DialRaw(a.url());
  SendAll(member, server::EncodeHello({.cluster_id = 0xc1, .from = {9}, .to = {1}}));
  std::string frame = server::BeginFrame(server::FrameKind::kRaftMessage);
  frame += "\x63 no message";
  server::EndFrame(frame);
  SendAll(member, frame);
  EXPECT_TRUE(EndsWithin(member, 5000));
  EXPECT_TRUE(a.gone().empty());
}

TEST(TransportTest, TooManyStrangersAreClosedAtOnce) {
  Member a(1, [](server::TransportOptions& options) { options.undecided_max = 4; });
  a.Start();
  std::vector<OwnedFd> patient;
  for (int i = 0; i < 4; ++i) patient.push_back(DialRaw(a.url()));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(EndsWithin(DialRaw(a.url()), 1000));
  EXPECT_FALSE(EndsWithin(patient[0], 50));
}

// A peer that is welcome and then never reads.
TEST(TransportTest, WhatAPeerDoesNotReadIsBoundedAndThenDropped) {
  Member a(1, [](server::TransportOptions& options) { options.queue_bytes_max = 1 << 20; });
  a.Start();
  server::SocketAddress address{.host = "127.0.0.1"};
  const auto listening = server::OpenListenSocket(address);
  ASSERT_TRUE(listening.ok());
  a.transport().SetPeers({{{2}, {{.address = address}}}});
  pollfd ready{.fd = listening->get(), .events = POLLIN};
  ASSERT_EQ(poll(&ready, 1, 5000), 1);
  const OwnedFd peer(accept(listening->get(), nullptr, nullptr));
  SendAll(peer, server::EncodeWelcome(1));
  ASSERT_TRUE(Await([&] { return a.transport().ConnectedSince({2}).has_value(); }));
  server::Counter& dropped = a.metrics().network_peer_sent_failures_total.With({"2"});
  const uint64_t before = dropped.value();
  raft::AppendRequest append{.prev_index = {5}, .prev_term = {1}, .commit = {5}};
  append.entries.push_back({.index = {6}, .term = {1}, .data = std::string(1 << 20, 'x')});
  for (int i = 0; i < 100; ++i) {
    a.transport().Send({{.from = {1}, .to = {2}, .term = {1}, .body = append}});
  }
  EXPECT_GT(dropped.value(), before + 50);
  EXPECT_TRUE(a.transport().ConnectedSince({2}).has_value());
}

}  // namespace
}  // namespace regent::testing
