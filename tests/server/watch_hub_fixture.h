// A watch hub under virtual time over a store of a few lines, with one stream whose messages are read as words.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/wire.h"
#include "gtest/gtest.h"
#include "server/node/watch_hub.h"
#include "tests/server/watch_fake_store.h"
#include "tests/sim/scheduler.h"

namespace regent::server {

struct Received {
  std::string key;
  int64_t revision = 0;
  bool put = true;
  std::optional<std::string> previous;  // its value
};

inline Received DecodeEvent(const std::string& field) {
  const auto number = [](const std::optional<api::WireField>& part) { return part->tag >> 3; };
  Received received;
  api::WireReader outer(field);
  const std::optional<api::WireField> message = outer.Next();
  EXPECT_TRUE(message.has_value() && number(message) == 11);
  api::WireReader event(message->bytes);
  while (std::optional<api::WireField> part = event.Next()) {
    if (number(part) == 1) {
      received.put = part->varint == 0;
      continue;
    }
    api::WireReader kv(part->bytes);
    if (number(part) == 3) received.previous = "";
    while (std::optional<api::WireField> inner = kv.Next()) {
      if (number(part) == 2 && number(inner) == 1) received.key = std::string(inner->bytes);
      if (number(part) == 2 && number(inner) == 3) received.revision = inner->int64();
      if (number(part) == 3 && number(inner) == 5) received.previous = std::string(inner->bytes);
    }
  }
  return received;
}

class FakeSink final : public api::WatchSink {
 public:
  void Send(api::WatchMessage message) override {
    for (const api::SharedBytes& bytes : message.events) unsent += bytes->size();
    messages.push_back(std::move(message));
  }
  size_t unsent_bytes() const override { return unsent; }
  void Finish(absl::Status status) override { finished = std::move(status); }

  // What has come since the last call, in words: "created 0 @5", "0: a=7 b=8 @8", "-1: progress @8".
  std::vector<std::string> Take() {
    std::vector<std::string> words;
    for (const api::WatchMessage& message : messages) words.push_back(Words(message));
    messages.clear();
    return words;
  }
  static std::string Words(const api::WatchMessage& message) {
    std::string words = std::to_string(message.watch_id) + ":";
    if (message.created) words += " created";
    if (message.canceled) words += " canceled";
    if (message.compact_revision.value != 0) words += " compacted=" + std::to_string(message.compact_revision.value);
    if (!message.cancel_reason.empty()) words += " (" + message.cancel_reason + ")";
    for (const api::SharedBytes& bytes : message.events) {
      const Received event = DecodeEvent(*bytes);
      words += (event.put ? " " : " -") + event.key + "=" + std::to_string(event.revision);
      if (event.previous.has_value()) words += "(" + *event.previous + ")";
    }
    if (message.fragment) words += " ...";
    return words + " @" + std::to_string(message.revision.value);
  }

  std::vector<api::WatchMessage> messages;
  size_t unsent = 0;
  std::optional<absl::Status> finished;
};

class WatchHubTest : public ::testing::Test {
 protected:
  void Start(WatchOptions options, uint64_t seed = 1, NodeMutants mutants = {}) {
    scheduler = std::make_unique<sim::Scheduler>(seed);
    loop = scheduler->NewLoop("watch");
    pool = scheduler->NewLoop("pool", {.parallel = true});
    hub = std::make_unique<WatchHub>(*loop, *pool, options, seed, metrics, mutants);
    hub->Start(store.view());
    hub->Serve();
  }
  void TearDown() override {
    stream = nullptr;
    if (scheduler) scheduler->RunReady();
    if (loop) loop->Kill();
    if (pool) pool->Kill();
    hub = nullptr;
  }
  void Open() {
    stream = hub->OpenStream(sink);
    scheduler->RunReady();
  }
  std::vector<std::string> Create(api::WatchCreate request) {
    stream->Create(std::move(request));
    return Run();
  }
  std::vector<std::string> Run() {
    scheduler->RunReady();
    return sink->Take();
  }
  // One revision with these changes, delivered.
  void Publish(const std::vector<FakeStore::Change>& changes) {
    const auto wanted = hub->wanted();
    auto batch = store.Apply(changes, [&](std::string_view key) { return wanted->Contains(key); });
    hub->Publish(std::move(batch), store.view());
  }
  void Put(const std::string& key, const std::string& value = "v") {
    Publish({{.key = key, .value = value}});
    scheduler->RunReady();
  }
  void Delete(const std::string& key) {
    Publish({{.put = false, .key = key}});
    scheduler->RunReady();
  }

  FakeStore store;
  Metrics metrics;
  std::unique_ptr<sim::Scheduler> scheduler;
  std::unique_ptr<sim::SimulatedLoop> loop, pool;
  std::unique_ptr<WatchHub> hub;
  std::shared_ptr<FakeSink> sink = std::make_shared<FakeSink>();
  std::unique_ptr<api::WatchStream> stream;
};

}  // namespace regent::server
