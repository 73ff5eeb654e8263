#include "server/node/snapshot_receiver.h"

#include <utility>

#include "glog/logging.h"
#include "server/runtime/hexadecimal.h"
#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

constexpr Duration kAskAgain = std::chrono::seconds(1);
constexpr Duration kPatience = std::chrono::seconds(30);  // without any progress

}  // namespace

SnapshotReceiver::SnapshotReceiver(const NodeSeams& seams, const NodeOptions& options, Events events)
    : seams_(seams), options_(options), events_(std::move(events)) {}

// A newer offer takes the place of one that is under way, unless a job of the pool has its files right now: then the
// leader offers again.
void SnapshotReceiver::OnOffer(raft::NodeId from, SnapshotOffer offer) {
  const bool busy = reception_.has_value() &&
                    (reception_->writing || (reception_->arrived && !options_.mutants.receive_while_installing));
  if (seams_.snapshots == nullptr || busy) return;
  if (Runs(offer.number)) return;
  if (!events_.wanted(offer.facts.index)) {
    seams_.transport.Tell(from, SnapshotEnd{.number = offer.number, .installed = true});
    return;
  }
  const MonotonicTime now = seams_.raft_loop.Now();
  if (reception_.has_value()) End(false);
  reception_.emplace(Reception{.from = from, .offer = std::move(offer), .begun = now, .asked = now, .progress = now});
  seams_.metrics.network_snapshot_receive_inflights_total.With({Hexadecimal(from.value)}).Add(1);
  LOG(INFO) << "receiving a snapshot" << Field("index", reception_->offer.facts.index.value)
            << Field("files", reception_->offer.files.size());
  Begin();
}

void SnapshotReceiver::Begin() {
  reception_->writing = true;
  seams_.background.Post([this, number = reception_->offer.number, files = reception_->offer.files]() mutable {
    auto writer = storage::SnapshotWriter::Begin(seams_.snapshots->files(), seams_.snapshots->ReceivingFolder(),
                                                 std::move(files));
    seams_.raft_loop.Post([this, number, writer = std::move(writer)]() mutable {
      if (!Runs(number)) return;
      reception_->writing = false;
      if (!writer.ok()) return GiveUp(writer.status());
      reception_->writer = *std::move(writer);
      if (reception_->writer->complete()) return Complete();
      Ask();
    });
  });
}

void SnapshotReceiver::Ask() {
  reception_->asked = seams_.raft_loop.Now();
  seams_.transport.Tell(reception_->from, SnapshotFetch{.number = reception_->offer.number,
                                                        .file = reception_->writer->file(),
                                                        .offset = reception_->writer->offset()});
}

void SnapshotReceiver::AskAfter(Duration rest) {
  seams_.raft_loop.PostAfter(rest, [this, number = reception_->offer.number] {
    if (Runs(number) && !reception_->writing && !reception_->arrived) Ask();
  });
}

void SnapshotReceiver::OnPiece(raft::NodeId from, SnapshotPiece piece) {
  if (!Runs(piece.number) || reception_->from != from || reception_->writing || reception_->writer == nullptr) return;
  storage::SnapshotWriter& writer = *reception_->writer;
  if (writer.complete() || piece.file != writer.file() || piece.offset != writer.offset()) return;  // an old one
  reception_->writing = true;
  seams_.background.Post([this, number = piece.number, writer = reception_->writer, bytes = std::move(piece.bytes)] {
    const absl::Status status = writer->Write(bytes);
    seams_.raft_loop.Post([this, number, status, size = bytes.size()] { OnWritten(number, status, size); });
  });
}

void SnapshotReceiver::OnWritten(uint64_t number, const absl::Status& status, size_t bytes) {
  if (!Runs(number)) return;
  reception_->writing = false;
  if (!status.ok()) return GiveUp(status);
  bytes_received_ += bytes;
  reception_->progress = seams_.raft_loop.Now();
  if (reception_->writer->complete()) return Complete();
  // The rate leaves room for everything else on disk and network.
  AskAfter(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      static_cast<double>(bytes) / static_cast<double>(options_.snapshot_bytes_per_second))));
}

void SnapshotReceiver::Complete() {
  reception_->writing = true;
  seams_.background.Post([this, number = reception_->offer.number, facts = reception_->offer.facts] {
    const absl::Status kept = seams_.snapshots->KeepReceived(facts);
    seams_.raft_loop.Post([this, number, kept] {
      if (!Runs(number)) return;
      reception_->writing = false;
      if (!kept.ok()) return GiveUp(kept);
      reception_->arrived = true;
      const SnapshotOffer& offer = reception_->offer;
      events_.arrived(
          {.from = reception_->from,
           .to = {options_.member_id},
           .term = offer.term,
           .body = raft::InstallSnapshot{
               .index = offer.facts.index, .term = offer.facts.term, .configuration = offer.facts.configuration}});
    });
  });
}

void SnapshotReceiver::OnInstalled(bool installed) {
  if (!reception_.has_value() || !reception_->arrived) return;
  LOG(INFO) << (installed ? "a snapshot is installed" : "a snapshot came too late and is not installed")
            << Field("index", reception_->offer.facts.index.value);
  seams_.transport.Tell(reception_->from, SnapshotEnd{.number = reception_->offer.number, .installed = installed});
  End(installed);
}

void SnapshotReceiver::End(bool installed) {
  Metrics& metrics = seams_.metrics;
  const std::string from = Hexadecimal(reception_->from.value);
  metrics.network_snapshot_receive_inflights_total.With({from}).Add(-1);
  if (installed) {
    metrics.network_snapshot_receive_success.With({from}).Increment();
    metrics.network_snapshot_receive_total_duration_seconds.With({from}).Observe(seams_.raft_loop.Now() -
                                                                                 reception_->begun);
  } else {
    metrics.network_snapshot_receive_failures.With({from}).Increment();
  }
  reception_.reset();
}

void SnapshotReceiver::GiveUp(const absl::Status& why) {
  LOG(WARNING) << "the reception of a snapshot is given up" << Field("error", std::string(why.message()));
  seams_.transport.Tell(reception_->from, SnapshotEnd{.number = reception_->offer.number, .installed = false});
  End(false);
}

void SnapshotReceiver::Tick() {
  if (!reception_.has_value() || reception_->writing || reception_->arrived) return;
  const MonotonicTime now = seams_.raft_loop.Now();
  if (now - reception_->progress >= kPatience) return GiveUp(absl::DeadlineExceededError("nothing comes any more"));
  if (now - reception_->asked >= kAskAgain) Ask();
}

}  // namespace regent::server
