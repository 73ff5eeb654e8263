// Members with real sockets on the loopback and nothing behind them: what they hear is kept.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/peer/tcp_transport.h"
#include "server/runtime/metrics.h"
#include "server/runtime/mutex.h"

namespace regent::testing {

using server::MutexLock;

// False: it did not become so within ten seconds.
inline bool Await(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class Member {
 public:
  explicit Member(uint64_t id, std::function<void(server::TransportOptions&)> change = nullptr) : id_{id} {
    server::TransportOptions options{.cluster_id = 0xc1, .self = {id}, .listen = {{.address = {.host = "127.0.0.1"}}}};
    options.seed = id;
    // A machine that is busy with other things must not look like a network that is broken.
    options.connect_timeout = std::chrono::seconds(5);
    options.unconfirmed_max = std::chrono::minutes(1);
    if (change) change(options);
    auto opened = server::TcpTransport::Open(std::move(options), metrics_);
    if (!opened.ok()) {
      ADD_FAILURE() << opened.status();
      return;
    }
    transport_ = *std::move(opened);
  }
  ~Member() { Stop(); }

  void Start(std::function<std::optional<server::Refusal>(const server::Hello&)> admit = nullptr) {
    transport_->Start({.on_message =
                           [this](raft::Message message) {
                             const MutexLock lock(mutex_);
                             heard_.push_back(std::move(message));
                           },
                       .on_note =
                           [this](raft::NodeId from, server::PeerNote note) {
                             const MutexLock lock(mutex_);
                             notes_.emplace_back(from, std::move(note));
                           },
                       .on_peer_gone =
                           [this](raft::NodeId peer) {
                             const MutexLock lock(mutex_);
                             gone_.push_back(peer);
                           },
                       .on_refused = [this](raft::NodeId, const server::Refusal&) { ++refusals_; },
                       .admit = std::move(admit),
                       .members =
                           [] {
                             return std::vector<api::Member>{
                                 {.id = 7, .name = "seven", .peer_urls = {"http://a:1"}, .is_learner = true}};
                           }});
  }
  void Stop() {
    if (transport_ != nullptr) transport_->Stop();
    transport_ = nullptr;
  }

  server::PeerUrl url() const { return transport_->listen()[0]; }
  server::TcpTransport& transport() { return *transport_; }
  server::Metrics& metrics() { return metrics_; }
  raft::NodeId id() const { return id_; }
  bool Connected(const Member& other) { return transport_->ConnectedSince(other.id()).has_value(); }

  void Say(raft::NodeId to, uint64_t number) {
    transport_->Send({{.from = id_, .to = to, .term = {1}, .body = raft::AppendAccepted{.match = {number}}}});
  }
  std::vector<raft::Message> heard() {
    const MutexLock lock(mutex_);
    return heard_;
  }
  std::vector<std::pair<raft::NodeId, server::PeerNote>> notes() {
    const MutexLock lock(mutex_);
    return notes_;
  }
  int refusals() const { return refusals_; }
  std::vector<raft::NodeId> gone() {
    const MutexLock lock(mutex_);
    return gone_;
  }

 private:
  const raft::NodeId id_;
  server::Metrics metrics_;
  server::Mutex mutex_;
  std::atomic<int> refusals_{0};
  std::vector<raft::Message> heard_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<raft::NodeId, server::PeerNote>> notes_ ABSL_GUARDED_BY(mutex_);
  std::vector<raft::NodeId> gone_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<server::TcpTransport> transport_;
};

}  // namespace regent::testing
