#include "server/node/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "server/runtime/hexadecimal.h"
#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

constexpr size_t kTransfersMax = 2;  // at the same time; others are asked for again by the core
constexpr Duration kPatience = std::chrono::seconds(10);

absl::Status Remove(SnapshotStorage& snapshots, uint64_t number) {
  return storage::RemoveFolder(snapshots.files(), snapshots.OutgoingFolder(number));
}

}  // namespace

SnapshotSender::SnapshotSender(const NodeSeams& seams, const NodeOptions& options, uint64_t first_number, Events events)
    : seams_(seams), options_(options), events_(std::move(events)), last_number_(first_number) {}

void SnapshotSender::Want(const raft::SnapshotToSend& wanted, raft::Index applied) {
  if (transfers_.contains(wanted.to)) Drop(wanted.to, false);
  const uint64_t number = ++last_number_;
  // Whoever finds no place is reported as not served, at the next tick.
  const bool place = seams_.snapshots != nullptr && transfers_.size() < kTransfersMax;
  transfers_[wanted.to] = {.number = number,
                           .term = wanted.term,
                           .applied = applied,
                           .deadline = seams_.raft_loop.Now() + (place ? kPatience : Duration::zero())};
  if (!place) return;
  transfers_[wanted.to].begun = seams_.raft_loop.Now();
  seams_.metrics.network_snapshot_send_inflights_total.With({Hexadecimal(wanted.to.value)}).Add(1);
  UpdateHold();
  seams_.apply_loop.Post([this, peer = wanted.to, number] {
    const std::string folder = seams_.snapshots->OutgoingFolder(number);
    absl::StatusOr<Made> made = Made{};
    absl::StatusOr<storage::SnapshotFacts> facts = seams_.state_machine.Checkpoint(folder);
    if (facts.ok()) {
      made->facts = *std::move(facts);
      absl::StatusOr<std::vector<storage::SnapshotFile>> files =
          storage::ListSnapshotFiles(seams_.snapshots->files(), folder);
      if (files.ok()) made->files = *std::move(files);
      if (!files.ok()) made = files.status();
    } else {
      made = facts.status();
    }
    seams_.raft_loop.Post(
        [this, peer, number, made = std::move(made)]() mutable { OnMade(peer, number, std::move(made)); });
  });
}

SnapshotSender::Transfer* SnapshotSender::Find(raft::NodeId peer, uint64_t number) {
  const auto found = transfers_.find(peer);
  return found != transfers_.end() && found->second.number == number ? &found->second : nullptr;
}

void SnapshotSender::OnMade(raft::NodeId peer, uint64_t number, absl::StatusOr<Made> made) {
  Transfer* transfer = Find(peer, number);
  if (transfer == nullptr) {  // given up meanwhile
    seams_.background.Post([this, number] { (void)Remove(*seams_.snapshots, number); });
    return;
  }
  if (!made.ok()) {
    LOG(WARNING) << "no snapshot could be made for a member that is behind" << Field("member", Hexadecimal(peer.value))
                 << Field("error", std::string(made.status().message()));
    transfer->deadline = seams_.raft_loop.Now();  // reported at the next tick, not in the middle of this turn
    seams_.background.Post([this, number] { (void)Remove(*seams_.snapshots, number); });
    return;
  }
  transfer->facts = made->facts;
  transfer->files = std::move(made->files);
  transfer->deadline = seams_.raft_loop.Now() + kPatience;
  LOG(INFO) << "offering a snapshot to a member that is behind" << Field("member", Hexadecimal(peer.value))
            << Field("index", transfer->facts.index.value) << Field("files", transfer->files.size());
  seams_.transport.Tell(
      peer,
      SnapshotOffer{.number = number, .term = transfer->term, .facts = transfer->facts, .files = transfer->files});
}

// One piece at a time: what is asked for while one is read is asked for again.
void SnapshotSender::OnFetch(raft::NodeId from, const SnapshotFetch& fetch) {
  Transfer* transfer = Find(from, fetch.number);
  if (transfer == nullptr || transfer->reading || fetch.file >= transfer->files.size()) return;
  const storage::SnapshotFile& file = transfer->files[fetch.file];
  if (fetch.offset >= file.bytes) return;
  transfer->reading = true;
  // Who asks for the same piece for ever makes no way.
  const std::pair asked_for(fetch.file, fetch.offset);
  if (asked_for > transfer->reached || asked_for == std::pair<uint64_t, uint64_t>()) {
    transfer->reached = asked_for;
    transfer->deadline = seams_.raft_loop.Now() + kPatience;
  }
  seams_.background.Post([this, from, fetch, path = seams_.snapshots->OutgoingFolder(fetch.number) + "/" + file.name] {
    absl::StatusOr<std::string> bytes =
        storage::ReadSnapshotPiece(seams_.snapshots->files(), path, fetch.offset, options_.snapshot_piece_bytes);
    seams_.raft_loop.Post([this, from, fetch, bytes = std::move(bytes)]() mutable {
      Transfer* asked = Find(from, fetch.number);
      if (asked == nullptr) return;
      asked->reading = false;
      if (!bytes.ok() || bytes->empty()) return;  // the deadline ends it
      seams_.transport.Tell(
          from, SnapshotPiece{
                    .number = fetch.number, .file = fetch.file, .offset = fetch.offset, .bytes = *std::move(bytes)});
    });
  });
}

void SnapshotSender::OnEnd(raft::NodeId from, const SnapshotEnd& end) {
  if (Find(from, end.number) != nullptr) Drop(from, end.installed);
}

void SnapshotSender::Tick() {
  std::vector<raft::NodeId> late;
  for (const auto& [peer, transfer] : transfers_) {
    if (transfer.deadline <= seams_.raft_loop.Now()) late.push_back(peer);
  }
  for (const raft::NodeId peer : late) Drop(peer, false);
  const auto over = [this](const auto& entry) { return entry.second.deadline <= seams_.raft_loop.Now(); };
  if (std::erase_if(lately_, over) > 0) UpdateHold();
}

void SnapshotSender::UpdateHold() {
  std::optional<raft::Index> above;
  for (const auto* transfers : {&transfers_, &lately_}) {
    for (const auto& [peer, transfer] : *transfers)
      above = std::min(above.value_or(transfer.applied), transfer.applied);
  }
  events_.hold_log(above);
}

void SnapshotSender::Drop(raft::NodeId peer, bool sent) {
  const auto found = transfers_.find(peer);
  const Transfer transfer = std::move(found->second);
  transfers_.erase(found);
  if (transfer.begun.has_value()) Count(peer, seams_.raft_loop.Now() - *transfer.begun, sent);
  if (!transfer.files.empty()) {
    seams_.background.Post([this, number = transfer.number] { (void)Remove(*seams_.snapshots, number); });
  }
  if (sent) {
    lately_[peer] = transfer;
    lately_[peer].deadline = seams_.raft_loop.Now() + kPatience;
  }
  UpdateHold();
  events_.report(peer, transfer.term, sent, transfer.facts.index);
}

void SnapshotSender::Count(raft::NodeId peer, Duration took, bool sent) {
  Metrics& metrics = seams_.metrics;
  const std::string to = Hexadecimal(peer.value);
  metrics.network_snapshot_send_inflights_total.With({to}).Add(-1);
  if (!sent) return metrics.network_snapshot_send_failures.With({to}).Increment();
  metrics.network_snapshot_send_success.With({to}).Increment();
  metrics.network_snapshot_send_total_duration_seconds.With({to}).Observe(took);
}

void SnapshotSender::Stop() {
  while (!transfers_.empty()) Drop(transfers_.begin()->first, false);
  lately_.clear();
  UpdateHold();
}

}  // namespace regent::server
