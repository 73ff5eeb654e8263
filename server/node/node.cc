// Construction, start, roles and the end of a node.
#include "server/node/node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"
#include "glog/logging.h"

namespace regent::server {

absl::StatusOr<std::unique_ptr<Node>> Node::Open(NodeSeams seams, NodeOptions options,
                                                 const storage::RecoveredLog& recovered) {
  const raft::Index applied = seams.state_machine.applied();
  if (applied > recovered.last_index) {
    return absl::DataLossError(absl::StrCat("the store has applied entry ", applied.value, ", but the log ends at ",
                                            recovered.last_index.value, ": entries that were durable are gone"));
  }
  if (applied < recovered.base_index) {
    return absl::DataLossError(absl::StrCat("the store has applied entry ", applied.value,
                                            ", but the log begins behind ", recovered.base_index.value,
                                            ": the entries between them are gone"));
  }
  CHECK(options.on_fatal) << "a node needs somebody who ends the process";
  CHECK_NE(options.member_id, 0u);
  raft::CoreStart start{.id = {options.member_id},
                        .configuration = {.voters = {{options.member_id}}, .outgoing_voters = {}, .learners = {}},
                        .hard_state = recovered.hard_state,
                        .base_index = recovered.base_index,
                        .base_term = recovered.base_term,
                        .last_index = recovered.last_index,
                        .last_term = recovered.last_term,
                        .applied = applied,
                        .terms = {},
                        .tail = {},
                        .seed = Random(seams.seed ^ 0x72616674).Next()};
  return std::unique_ptr<Node>(new Node(seams, std::move(options), std::move(start)));
}

Node::Node(NodeSeams seams, NodeOptions options, raft::CoreStart start)
    : seams_(seams),
      options_(std::move(options)),
      random_(seams.seed),
      next_sequence_(random_.Next() << 24),
      request_metrics_(seams.metrics),
      slow_requests_(options_.slow_request, seams.metrics),
      hub_(seams.watch_loop, seams.background, options_.watch, random_.Next(), seams.metrics, options_.mutants),
      purger_(seams_, options_),
      hash_jobs_(seams_),
      log_(seams_, options_,
           {.on_persisted = [this](raft::StepId step) { driver_.OnPersisted(step); },
            .on_fetched = [this](const raft::LogFetch& fetch,
                                 raft::FetchResult result) { driver_.OnFetched(fetch, std::move(result)); },
            .on_room_low = [this] { OnRoomLow(); }}),
      flusher_(seams_, options_, log_),
      applier_(seams_, options_, hub_, purger_, request_metrics_, slow_requests_,
               {.on_leases = [this](const std::vector<storage::LeaseChange>& changes) { keeper_.OnChanges(changes); },
                .on_alarms = [this] { OnAlarms(); },
                .on_over_quota =
                    [this](std::vector<api::Done<api::WriteResult>> refused) { RaiseNoSpace(std::move(refused)); },
                .on_applied = [this] { driver_.Turn(); },
                .on_taken = [this] { driver_.OnApplierTookAll(); }}),
      gate_(seams_, applier_, [this](raft::ReadId id) { return driver_.ReadIndex(id); }),
      keeper_(seams_, options_,
              [this](raft::Term term, std::vector<api::LeaseId> ids, LeaseKeeper::Done done) {
                ProposeOwn(api::LeaseExpiryRequest{.ids = std::move(ids)}, term.value, std::move(done));
              }),
      compactor_(
          seams_, options_,
          {.leads = [this] { return keeper_.leading(); },
           .compact = [this](api::Revision at,
                             auto done) { ProposeOwn(api::CompactionRequest{.revision = at}, 0, std::move(done)); }}),
      driver_(seams_, options_, std::move(start), log_, applier_, gate_,
              {.on_role = [this](const raft::RoleChange& change) { OnRole(change); }, .on_tick = [] {}}) {}

Node::~Node() = default;

// ---- start ---------------------------------------------------------------------------------------------------------

void Node::Start(Loop::Task ready) {
  on_ready_ = std::move(ready);
  seams_.metrics.server_quota_backend_bytes.Set(static_cast<double>(options_.quota_bytes));
  hub_.Start(seams_.state_machine.view());
  keeper_.Start(seams_.state_machine.Leases());
  OnAlarms();
  seams_.apply_loop.Post([this] {
    flusher_.Start();
    purger_.Kick();  // a purge that a restart interrupted
  });
  seams_.raft_loop.Post([this] {
    compactor_.Start();
    driver_.Start();
  });
}

void Node::OnRole(const raft::RoleChange& change) {
  gate_.SetLocal(false);
  if (change.role != raft::Role::kLeader) keeper_.Follow();
  if (change.leader == raft::kNobody) return;
  applier_.WhenTermApplied(change.term, [this, change] { OnTermApplied(change); });
}

// On the apply loop: an entry of the leader's term, and so everything committed in earlier terms, is applied here.
void Node::OnTermApplied(raft::RoleChange change) {
  seams_.raft_loop.Post([this, change] {
    if (stopping_.load() || change.role != raft::Role::kLeader) return;
    if (driver_.term() != change.term.value || driver_.role() != raft::Role::kLeader) return;
    keeper_.Lead(change.term);
    // Renewals posted from now on find the keeper leading.
    gate_.SetLocal(driver_.SoleVoter());
    gate_.Tick();
  });
  if (ready_.exchange(true)) return;
  seams_.watch_loop.Post([this] { hub_.Serve(); });
  if (on_ready_) on_ready_();
  on_ready_ = nullptr;
}

void Node::Step(raft::Message message) {
  seams_.raft_loop.Post([this, message = std::move(message)]() mutable { driver_.Step(std::move(message)); });
}

// ---- stop ----------------------------------------------------------------------------------------------------------

// In the order of the data: nothing new is taken; what is under way goes through the log and is applied and answered;
// what is left fails; the store is flushed, the streams end, the log gets its final mark.
void Node::Stop(Loop::Task stopped) {
  if (stopping_.exchange(true)) return;
  gate_.SetLocal(false);
  gate_.Close();
  driver_.CloseIntake();
  seams_.raft_loop.Post([this, stopped = std::move(stopped)]() mutable {
    // One round for the step that is out, one for what gathered meanwhile.
    DrainLog(2, [this, stopped = std::move(stopped)]() mutable { StopRaft(std::move(stopped)); });
  });
}

void Node::DrainLog(int rounds, Loop::Task then) {
  if (rounds == 0) return then();
  driver_.TakeRest();
  seams_.log_loop.Post([this, rounds, then = std::move(then)]() mutable {
    seams_.raft_loop.Post([this, rounds, then = std::move(then)]() mutable { DrainLog(rounds - 1, std::move(then)); });
  });
}

void Node::StopRaft(Loop::Task stopped) {
  compactor_.Stop();
  driver_.FailHeld(api::ErrStopped());
  gate_.FailAll(api::ErrStopped());
  applier_.FailAll(api::ErrStopped());
  seams_.apply_loop.Post([this, stopped = std::move(stopped)]() mutable { StopApply(std::move(stopped)); });
}

void Node::StopApply(Loop::Task stopped) {
  purger_.Stop(api::ErrStopped());
  hash_jobs_.Stop();
  flusher_.Stop();
  flusher_.FlushNow();
  seams_.raft_loop.Post([this] { keeper_.Stop(api::ErrStopped()); });
  seams_.watch_loop.Post([this, stopped = std::move(stopped)]() mutable {
    hub_.Finish(api::ErrStopped());
    log_.Close(std::move(stopped));
  });
}

}  // namespace regent::server
