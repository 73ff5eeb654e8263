#include "server/node/bootstrap.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/contract/status_macros.h"
#include "raft/configuration.h"
#include "server/node/random.h"
#include "storage/command.h"

namespace regent::server {
namespace {

constexpr raft::Term kBootstrapTerm{1};

absl::StatusOr<raft::PlacedConfiguration> ConfigurationIn(const raft::Entry& entry) {
  const std::optional<raft::ConfigurationEntry> decoded = raft::DecodeConfigurationEntry(entry.data);
  if (!decoded.has_value()) {
    return absl::DataLossError(absl::StrCat("entry ", entry.index.value, " should hold a configuration"));
  }
  return raft::PlacedConfiguration{.index = entry.index, .configuration = decoded->configuration};
}

}  // namespace

absl::Status CheckAgainstStore(raft::Index applied, const storage::RecoveredLog& recovered) {
  if (applied > recovered.last_index) {
    return absl::DataLossError(absl::StrCat("the store has applied entry ", applied.value, ", but the log ends at ",
                                            recovered.last_index.value, ": entries that were durable are gone"));
  }
  if (applied < recovered.base_index) {
    return absl::DataLossError(absl::StrCat("the store has applied entry ", applied.value,
                                            ", but the log begins behind ", recovered.base_index.value,
                                            ": the entries between them are gone"));
  }
  return absl::OkStatus();
}

namespace {

// Those in the log behind what is applied.
absl::StatusOr<std::vector<raft::Entry>> LaterConfigurations(storage::LogStore& log, raft::Index applied,
                                                             const storage::RecoveredLog& recovered) {
  std::vector<raft::Entry> later;
  for (const raft::Index index : recovered.configurations) {
    if (index <= applied) continue;
    REGENT_ASSIGN_OR_RETURN(std::vector<raft::Entry> entries, log.Read(index, 1));
    later.push_back(std::move(entries.front()));
  }
  return later;
}

}  // namespace

absl::Status WriteBootstrapEntry(storage::LogStore& log, const std::vector<api::Member>& members,
                                 storage::RecoveredLog* recovered) {
  if (recovered->last_index != raft::Index{}) return absl::OkStatus();
  raft::ConfigurationEntry content;
  for (const api::Member& member : members) content.configuration.voters.push_back({member.id});
  content.context = storage::EncodeCommand({.body = api::MemberBootstrapRequest{.members = members}});
  const std::array<raft::Entry, 1> first = {raft::Entry{
      .index = {1}, .term = kBootstrapTerm, .type = raft::EntryType::kConfiguration, .data = raft::Encode(content)}};
  const raft::HardState hard_state{.term = std::max(kBootstrapTerm, recovered->hard_state.term),
                                   .vote = recovered->hard_state.vote};
  REGENT_RETURN_IF_ERROR(log.SaveHardState(hard_state));
  REGENT_RETURN_IF_ERROR(log.Append(first));
  recovered->hard_state = hard_state;
  recovered->last_index = first[0].index;
  recovered->last_term = kBootstrapTerm;
  recovered->terms = {{first[0].index, kBootstrapTerm}};
  recovered->configurations = {first[0].index};
  return absl::OkStatus();
}

std::vector<NamedMember> MembersNamedIn(const raft::Entry& configuration) {
  const std::optional<raft::ConfigurationEntry> entry = raft::DecodeConfigurationEntry(configuration.data);
  if (!entry.has_value() || entry->context.empty()) return {};
  const absl::StatusOr<storage::Command> command = storage::DecodeCommand(entry->context);
  if (!command.ok()) return {};
  std::vector<NamedMember> named;
  if (const auto* bootstrap = std::get_if<api::MemberBootstrapRequest>(&command->body)) {
    for (const api::Member& member : bootstrap->members) named.push_back({configuration.index, member});
  } else if (const auto* add = std::get_if<api::MemberAddRequest>(&command->body)) {
    named.push_back({configuration.index, {.id = add->id, .peer_urls = add->peer_urls, .is_learner = add->is_learner}});
  }
  return named;
}

absl::StatusOr<NodeStart> MakeNodeStart(const NodeSeams& seams, const NodeOptions& options,
                                        const storage::RecoveredLog& recovered) {
  const raft::Index applied = seams.state_machine.applied();
  REGENT_RETURN_IF_ERROR(CheckAgainstStore(applied, recovered));
  REGENT_ASSIGN_OR_RETURN(const std::vector<raft::Entry> entries, LaterConfigurations(seams.log, applied, recovered));
  NodeStart start;
  std::vector<raft::PlacedConfiguration> later;
  for (const raft::Entry& entry : entries) {
    REGENT_ASSIGN_OR_RETURN(raft::PlacedConfiguration placed, ConfigurationIn(entry));
    later.push_back(std::move(placed));
    for (NamedMember& member : MembersNamedIn(entry)) start.named.push_back(std::move(member));
  }
  raft::PlacedConfiguration first;
  for (const api::Member& member : options.joining) {
    auto& nodes = member.is_learner ? first.configuration.learners : first.configuration.voters;
    nodes.push_back({member.id});
    start.named.push_back({kToldWhenJoining, member});
  }
  if (const std::optional<raft::Entry> entry = seams.state_machine.configuration()) {
    REGENT_ASSIGN_OR_RETURN(first, ConfigurationIn(*entry));
  } else if (!later.empty() && later.front().index == raft::Index{1}) {
    first.configuration = later.front().configuration;  // the cluster's first
  } else if (first.configuration.voters.empty()) {
    first.configuration = {.voters = {{options.member_id}}, .outgoing_voters = {}, .learners = {}};
  }
  start.core = {.id = {options.member_id},
                .configuration = std::move(first.configuration),
                .hard_state = recovered.hard_state,
                .base_index = recovered.base_index,
                .base_term = recovered.base_term,
                .last_index = recovered.last_index,
                .last_term = recovered.last_term,
                .applied = applied,
                .configuration_index = first.index,
                .later_configurations = std::move(later),
                .terms = recovered.terms,
                .tail = {},
                .seed = Random(seams.seed ^ 0x72616674).Next()};
  return start;
}

}  // namespace regent::server
