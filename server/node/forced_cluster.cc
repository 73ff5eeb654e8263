#include "server/node/forced_cluster.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "api/contract/status_macros.h"
#include "raft/configuration.h"
#include "server/node/bootstrap.h"
#include "storage/command.h"

namespace regent::server {
namespace {

using Ids = std::set<uint64_t>;

// What store and log together say: the newest configuration, and whoever has a row when all of the log is applied.
struct Known {
  raft::Configuration configuration;
  Ids rows;
  Ids removed;
  std::string under_way;  // the command of a change whose last entry has not come
};

absl::Status Learn(const raft::Entry& entry, Known* known) {
  const std::optional<raft::ConfigurationEntry> decoded = raft::DecodeConfigurationEntry(entry.data);
  if (!decoded.has_value()) {
    return absl::DataLossError(absl::StrCat("entry ", entry.index.value, " should hold a configuration"));
  }
  known->configuration = decoded->configuration;
  const bool joint = decoded->configuration.joint();
  const std::string done = joint ? "" : decoded->context.empty() ? known->under_way : decoded->context;
  known->under_way = joint ? decoded->context : "";
  if (done.empty()) return absl::OkStatus();
  REGENT_ASSIGN_OR_RETURN(const storage::Command command, storage::DecodeCommand(done));
  if (const auto* bootstrap = std::get_if<api::MemberBootstrapRequest>(&command.body)) {
    for (const api::Member& member : bootstrap->members) known->rows.insert(member.id);
  }
  if (const auto* add = std::get_if<api::MemberAddRequest>(&command.body)) known->rows.insert(add->id);
  if (const auto* remove = std::get_if<api::MemberRemoveRequest>(&command.body)) {
    known->rows.erase(remove->id);
    known->removed.insert(remove->id);
  }
  return absl::OkStatus();
}

absl::StatusOr<Known> LearnAll(storage::LogStore& log, const storage::StateMachine& store,
                               const storage::RecoveredLog& recovered) {
  Known known{.configuration = {}, .rows = {}, .removed = store.RemovedMembers(), .under_way = {}};
  if (const std::optional<raft::Entry> applied = store.configuration()) {
    Known then;  // the rows are newer
    REGENT_RETURN_IF_ERROR(Learn(*applied, &then));
    known.configuration = std::move(then.configuration);
    known.under_way = std::move(then.under_way);
  }
  for (const api::Member& member : store.Members()) known.rows.insert(member.id);
  for (const raft::Index index : recovered.configurations) {
    if (index <= store.applied()) continue;
    REGENT_ASSIGN_OR_RETURN(const std::vector<raft::Entry> entries, log.Read(index, 1));
    REGENT_RETURN_IF_ERROR(Learn(entries.front(), &known));
  }
  return known;
}

Ids Others(const Known& known, uint64_t self) {
  Ids others = known.rows;
  const raft::Configuration& all = known.configuration;
  for (const auto* nodes : {&all.voters, &all.outgoing_voters, &all.learners}) {
    for (const raft::NodeId node : *nodes) others.insert(node.value);
  }
  others.erase(self);
  return others;
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> ForceNewCluster(storage::LogStore& log, const storage::StateMachine& store,
                                                      const api::Member& self, storage::RecoveredLog* recovered) {
  if (recovered->last_index == raft::Index{}) {
    return absl::FailedPreconditionError(
        "--force-new-cluster: this member has nothing of the cluster's data; start the member that has the most of it");
  }
  // What is appended below would hide that entries are missing.
  REGENT_RETURN_IF_ERROR(CheckAgainstStore(store.applied(), *recovered));
  REGENT_ASSIGN_OR_RETURN(const Known known, LearnAll(log, store, *recovered));
  if (known.removed.contains(self.id)) {
    return absl::FailedPreconditionError(
        "--force-new-cluster: this member was removed from the cluster; start one that was not");
  }
  const raft::Configuration alone{.voters = {{self.id}}, .outgoing_voters = {}, .learners = {}};
  std::vector<api::WriteRequest> changes;
  const Ids others = Others(known, self.id);
  for (const uint64_t other : others) changes.emplace_back(api::MemberRemoveRequest{.id = other});
  // A node from before there were members has no row, and is told itself by its options.
  const bool missing = !known.rows.contains(self.id) && !(known.rows.empty() && others.empty());
  if (missing) changes.emplace_back(api::MemberBootstrapRequest{.members = {self}});
  const bool no_configuration = known.configuration.voters.empty();
  if (changes.empty() && (no_configuration || known.configuration == alone)) return std::vector<uint64_t>();

  const raft::HardState hard_state{.term = {recovered->hard_state.term.value + 1}, .vote = {self.id}};
  std::vector<raft::Entry> entries;
  raft::Index last = recovered->last_index;
  const auto add = [&](std::string context) {
    last = {last.value + 1};
    entries.push_back({.index = last,
                       .term = hard_state.term,
                       .type = raft::EntryType::kConfiguration,
                       .data = raft::Encode(raft::ConfigurationEntry{alone, std::move(context)})});
  };
  for (const api::WriteRequest& change : changes) add(storage::EncodeCommand({.body = change}));
  if (changes.empty()) add("");
  REGENT_RETURN_IF_ERROR(log.SaveHardState(hard_state));
  REGENT_RETURN_IF_ERROR(log.Append(entries));
  recovered->hard_state = hard_state;
  recovered->last_index = last;
  recovered->last_term = hard_state.term;
  recovered->terms.push_back({entries.front().index, hard_state.term});
  for (const raft::Entry& entry : entries) recovered->configurations.push_back(entry.index);
  return std::vector<uint64_t>(others.begin(), others.end());
}

}  // namespace regent::server
