#include "tests/sim/network.h"

#include <functional>
#include <optional>
#include <vector>

namespace regent::sim {

// What one member sends.
class Network::Link final : public server::Transport {
 public:
  Link(Network& network, uint64_t from) : network_(network), from_(from) {}

  void Send(std::vector<raft::Message> messages) override {
    for (raft::Message& message : messages) {
      const uint64_t to = message.to.value;
      if (network_.observer_) network_.observer_(message);
      network_.Carry(from_, to, Kind::kMessage,
                     [message = std::move(message)](server::Node& node) { node.Step(message); });
    }
  }
  bool Tell(raft::NodeId to, server::PeerNote note) override {
    if (!network_.IsUp(to.value)) return false;
    network_.Carry(from_, to.value, Kind::kNote,
                   [from = from_, note = std::move(note)](server::Node& node) { node.OnNote({from}, note); });
    return true;
  }
  std::optional<MonotonicTime> ConnectedSince(raft::NodeId to) const override {
    if (!network_.IsUp(to.value) || network_.IsCut(from_, to.value)) return std::nullopt;
    return network_.places_.at(to.value).up_since;
  }

 private:
  Network& network_;
  const uint64_t from_;
};

Network::Network(Scheduler& scheduler, uint64_t seed)
    : scheduler_(scheduler), random_(seed), loop_(scheduler.NewLoop("network")) {}

Network::~Network() { loop_->Kill(); }

server::Transport& Network::TransportOf(uint64_t id) {
  Place& place = places_[id];
  if (place.link == nullptr) place.link = std::make_unique<Link>(*this, id);
  return *place.link;
}

void Network::Connect(uint64_t id, uint64_t incarnation, server::Node& node, const std::vector<api::Member>& members) {
  Place& place = places_[id];
  place.node = &node;
  place.up_since = scheduler_.now();
  place.incarnation = incarnation;
  place.incarnations = std::make_unique<server::Incarnations>();
  place.incarnations->SetMembers(members);
}

void Network::SetMembers(uint64_t id, const std::vector<api::Member>& members) {
  if (IsUp(id)) places_.at(id).incarnations->SetMembers(members);
}

void Network::Disconnect(uint64_t id) {
  if (!IsUp(id)) return;
  FalseAlarm(id);
  --counters_.false_alarms;  // this one is true
  places_[id].node = nullptr;
}

void Network::FalseAlarm(uint64_t id) {
  ++counters_.false_alarms;
  for (const auto& [other, place] : places_) {
    if (other == id || IsCut(id, other)) continue;
    loop_->PostAfter(Delay(), [this, id, other = other] {
      if (IsUp(other)) places_.at(other).node->PeerGone({id});
    });
  }
}

void Network::Isolate(uint64_t id) {
  for (const auto& [other, place] : places_) {
    if (other == id) continue;
    Cut(id, other);
    Cut(other, id);
  }
}

bool Network::IsUp(uint64_t id) const {
  const auto found = places_.find(id);
  return found != places_.end() && found->second.node != nullptr;
}

Duration Network::Delay() {
  const auto range = static_cast<uint64_t>((weather_.delay_max - weather_.delay_min).count());
  return weather_.delay_min + Duration(static_cast<int64_t>(range == 0 ? 0 : random_() % range));
}

// As the composed server admits a connection, but of every message: connections are made again all the time.
std::optional<server::RefusalReason> Network::Judge(const Place& receiver, uint64_t from, uint64_t incarnation) const {
  if (receiver.node->WasRemoved(from)) return server::RefusalReason::kRemoved;
  if (!judges_) return std::nullopt;
  const auto refusal = receiver.incarnations->Judge({.from = {from}, .incarnation = incarnation});
  return refusal.has_value() ? std::optional(refusal->reason) : std::nullopt;
}

void Network::Carry(uint64_t from, uint64_t to, Kind kind, std::function<void(server::Node&)> arrive) {
  ++counters_.sent;
  if (IsCut(from, to)) {
    ++counters_.cut_off;
    return;
  }
  if (OneIn(weather_.loss_one_in)) {
    ++counters_.lost;
    return;
  }
  int copies = 1;
  if (kind == Kind::kMessage && OneIn(weather_.repeat_one_in)) {
    ++counters_.repeated;
    copies = 2;
  }
  for (; copies > 0; --copies) {
    loop_->PostAfter(Delay(), [this, from, to, incarnation = places_.at(from).incarnation, arrive] {
      if (!IsUp(to) || IsCut(from, to)) return;
      const Place& receiver = places_.at(to);
      if (const std::optional<server::RefusalReason> refusal = Judge(receiver, from, incarnation)) {
        ++counters_.refused;
        if (refused_ && places_.at(from).incarnation == incarnation) refused_(from, *refusal);
        return;
      }
      ++counters_.delivered;
      if (heard_) heard_(from, to, incarnation);
      arrive(*receiver.node);
    });
  }
}

}  // namespace regent::sim
