#include "tests/raft/cluster.h"

#include <algorithm>

#include "raft/check.h"
#include "raft/configuration.h"
#include "raft/describe.h"

namespace regent::raft {

Configuration MakeConfiguration(uint64_t voters, uint64_t learners) {
  Configuration configuration;
  for (uint64_t id = 1; id <= voters; ++id) configuration.voters.push_back({id});
  for (uint64_t id = voters + 1; id <= voters + learners; ++id) configuration.learners.push_back({id});
  return configuration;
}

std::vector<Entry> EntriesOfTerms(const std::vector<uint64_t>& terms) {
  std::vector<Entry> entries;
  for (uint64_t term : terms) entries.push_back({.index = {entries.size() + 1}, .term = {term}});
  return entries;
}

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)) {
  const Configuration& c = options_.configuration;
  for (const auto& ids : {c.voters, c.outgoing_voters, c.learners}) {
    for (NodeId id : ids) {
      if (!hosts_.contains(id.value)) hosts_[id.value].id = id;
    }
  }
  for (uint64_t i = 0, next = hosts_.rbegin()->first + 1; i < options_.others; ++i, ++next) hosts_[next].id = {next};
  for (auto& [id, host] : hosts_) Start(host, 0);
}

// The newest configuration in the host's log through `through`, or what its state machine and its start say.
PlacedConfiguration Cluster::ConfigurationAt(const Host& host, Index through) const {
  PlacedConfiguration newest = host.applied_configuration;
  if (newest == PlacedConfiguration{} && IsMember(options_.configuration, host.id)) {
    newest.configuration = options_.configuration;
  }
  for (const Entry& entry : host.disk.entries) {
    if (entry.index > through || entry.type != EntryType::kConfiguration || entry.index <= newest.index) continue;
    newest = {entry.index, DecodeConfigurationEntry(entry.data)->configuration};
  }
  return newest;
}

void Cluster::Start(Host& host, size_t tail_entries) {
  const DurableState& disk = host.disk;
  CoreStart start{.id = host.id, .hard_state = disk.hard_state};
  start.base_index = disk.base;
  start.base_term = disk.base_term;
  start.last_index = disk.last();
  start.last_term = disk.entries.empty() ? start.base_term : disk.entries.back().term;
  start.applied = std::max(host.applied_durable, disk.base);
  const PlacedConfiguration in_force = ConfigurationAt(host, start.applied);
  start.configuration = in_force.configuration;
  start.configuration_index = in_force.index;
  for (const Entry& entry : disk.entries) {
    if (entry.type != EntryType::kConfiguration || entry.index <= start.applied) continue;
    start.later_configurations.push_back({entry.index, DecodeConfigurationEntry(entry.data)->configuration});
  }
  for (const Entry& entry : disk.entries) {
    if (start.terms.empty() || start.terms.back().term != entry.term) start.terms.push_back({entry.index, entry.term});
  }
  const size_t tail = std::min(tail_entries, disk.entries.size());
  start.tail.assign(disk.entries.end() - static_cast<ptrdiff_t>(tail), disk.entries.end());
  start.seed = options_.seed * 1000003 + host.id.value * 1009 + ++host.starts;
  host.applied.clear();
  checker_.Started(host.id, start.applied);
  host.core = std::make_unique<Core>(std::move(start), options_.core, options_.mutants);
}

void Cluster::Tick(uint64_t id, uint32_t times) {
  for (uint32_t i = 0; i < times; ++i) core(id).Tick();
  Check();
}

bool Cluster::Campaign(uint64_t id) {
  const Role role = core(id).role();
  for (uint32_t i = 0; i < 2 * options_.core.election_ticks && core(id).role() == role; ++i) core(id).Tick();
  Check();
  return core(id).role() != role;
}

ProposeResult Cluster::Propose(uint64_t id, const std::string& data) {
  const ProposeResult result = core(id).Propose(data);
  Check();
  return result;
}

bool Cluster::Read(uint64_t id, uint64_t read) {
  checker_.ReadAsked({id}, {read});
  const bool taken = core(id).ReadIndex({read});
  Check();
  return taken;
}

void Cluster::PeerGone(uint64_t id, uint64_t peer) {
  core(id).PeerGone({peer}, core(id).term());
  Check();
}

ProposeResult Cluster::Change(uint64_t id, const Configuration& target, std::optional<Index> expected) {
  const ProposeResult result = core(id).ProposeConfiguration(
      {.target = target, .expected = expected.value_or(core(id).configuration_index()), .context = {}});
  Check();
  return result;
}

ProposeResult Cluster::Transfer(uint64_t id, uint64_t to) {
  const ProposeResult result = core(id).TransferLeadership({to});
  Check();
  return result;
}

void Cluster::StepDown(uint64_t id) {
  core(id).StepDown();
  Check();
}

Output Cluster::Take(uint64_t id) {
  Host& host = hosts_.at(id);
  Output output = host.core->TakeOutput();
  Check();
  Send(output.send, host);
  if (watch) watch(id, output);
  if (output.step) {
    RAFT_CHECK(!host.step, id);
    host.step = Output{.step = output.step, .hard_state = output.hard_state, .append = output.append};
    host.step->send_after_persist = output.send_after_persist;
    host.step->install = output.install;
  }
  host.snapshots.insert(host.snapshots.end(), output.snapshots.begin(), output.snapshots.end());
  host.fetches.insert(host.fetches.end(), output.fetch.begin(), output.fetch.end());
  host.to_apply.insert(host.to_apply.end(), output.apply.begin(), output.apply.end());
  // With the mutant that applies too early this sees it: the disk does not hold the entry yet.
  for (const Entry& entry : output.apply) checker_.Applied(host.id, entry, host.disk);
  for (const auto& read : output.reads) {
    checker_.ReadAnswered(host.id, read.id, read.index);
    host.reads.push_back(read);
  }
  host.reads_failed.insert(host.reads_failed.end(), output.reads_failed.begin(), output.reads_failed.end());
  return output;
}

void Cluster::Send(const std::vector<Message>& messages, const Host& host) {
  for (const Message& message : messages) {
    checker_.Sent(message, host.disk);
    network_.push_back(message);
  }
}

void Cluster::Write(Host& host, const Output& step, Torn torn, size_t entries_written) {
  if (torn == Torn::kNothingWritten) return;
  if (step.hard_state) host.disk.hard_state = *step.hard_state;
  if (torn == Torn::kHardStateWritten) return;
  if (step.install && torn == Torn::kAllWritten) Install(host, *step.install);
  if (step.append.empty()) return;
  if (torn == Torn::kAllWritten) entries_written = step.append.size();
  if (entries_written == 0) return;
  std::vector<Entry>& entries = host.disk.entries;
  const Index first = step.append.front().index;
  const size_t keep = first.value - host.disk.base.value - 1;
  if (keep < entries.size()) {
    ++host.truncations;
    if (entries[keep] == step.append.front()) ++host.rewrites;
    entries.resize(keep);
  }
  entries.insert(entries.end(), step.append.begin(),
                 step.append.begin() + static_cast<ptrdiff_t>(std::min(entries_written, step.append.size())));
}

void Cluster::Install(Host& host, const SnapshotToInstall& snapshot) {
  host.disk.base = snapshot.index;
  host.disk.base_term = snapshot.term;
  host.disk.entries.clear();
  host.applied_durable = snapshot.index;
  host.applied_configuration = snapshot.configuration;
}

bool Cluster::Persist(uint64_t id) {
  Host& host = hosts_.at(id);
  if (!host.step) return false;
  const Output step = *std::exchange(host.step, std::nullopt);
  Write(host, step, Torn::kAllWritten, 0);
  Send(step.send_after_persist, host);
  if (step.install) {
    ++host.installs;
    host.to_apply.clear();
    checker_.Installed(host.id, *step.install);
    host.core->Installed(*step.step);
  } else {
    host.core->Persisted(*step.step);
  }
  Check();
  return true;
}

bool Cluster::FailInstall(uint64_t id) {
  Host& host = hosts_.at(id);
  if (!host.step || !host.step->install) return false;
  const Output step = *std::exchange(host.step, std::nullopt);
  Write(host, step, Torn::kHardStateWritten, 0);
  Send(step.send_after_persist, host);
  host.core->InstallFailed(*step.step);
  Check();
  return true;
}

bool Cluster::SendSnapshot(uint64_t id, bool sent) {
  Host& host = hosts_.at(id);
  if (host.snapshots.empty()) return false;
  const SnapshotToSend wanted = host.snapshots.front();
  host.snapshots.pop_front();
  const Index index = std::max(host.core->applied(), host.disk.base);
  const Term term = index == host.disk.base ? host.disk.base_term : host.disk.At(index)->term;
  if (sent) {
    network_.push_back(
        {.from = host.id,
         .to = wanted.to,
         .term = wanted.term,
         .body = InstallSnapshot{.index = index, .term = term, .configuration = ConfigurationAt(host, index)}});
  }
  host.core->SnapshotReported(wanted.to, wanted.term, sent, index);
  Check();
  return true;
}

bool Cluster::Apply(uint64_t id, size_t entries_max) {
  Host& host = hosts_.at(id);
  if (host.to_apply.empty()) return false;
  Index last;
  for (size_t i = 0; i < entries_max && !host.to_apply.empty(); ++i) {
    last = host.to_apply.front().index;
    host.applied.push_back(std::move(host.to_apply.front()));
    host.to_apply.pop_front();
  }
  host.core->Applied(last);
  Check();
  return true;
}

bool Cluster::AnswerFetch(uint64_t id) {
  Host& host = hosts_.at(id);
  if (host.fetches.empty()) return false;
  const LogFetch fetch = host.fetches.front();
  host.fetches.pop_front();
  if (fetch.from <= host.disk.base) {
    host.core->Fetched(fetch, Released{});
  } else {
    std::vector<Entry> entries;
    uint64_t bytes = 0;
    for (Index i = fetch.from; i <= host.disk.last(); i.value++) {
      entries.push_back(*host.disk.At(i));
      if ((bytes += entries.back().data.size()) > fetch.bytes_max) break;
    }
    host.core->Fetched(fetch, std::move(entries));
  }
  Check();
  return true;
}

void Cluster::Deliver(size_t position) {
  Message message = std::move(network_[position]);
  Drop(position);
  Arrive(std::move(message));
}

void Cluster::Arrive(Message message) {
  const auto to = hosts_.find(message.to.value);
  if (to == hosts_.end() || !to->second.core || cut_.contains(Link(message.from.value, message.to.value))) return;
  to->second.core->Step(std::move(message));
  Check();
}

void Cluster::DropAll(const std::function<bool(const Message&)>& which) { std::erase_if(network_, which); }

void Cluster::Crash(uint64_t id, Torn torn, size_t entries_written, Index applied_durable) {
  Host& host = hosts_.at(id);
  if (host.step) Write(host, *host.step, torn, entries_written);
  host.step.reset();
  host.fetches.clear();
  host.snapshots.clear();
  host.to_apply.clear();
  if (applied_durable > host.applied_durable) {
    host.applied_configuration = ConfigurationAt(host, applied_durable);
    host.applied_durable = applied_durable;
  }
  host.core.reset();
}

void Cluster::Restart(uint64_t id, size_t tail_entries) {
  Start(hosts_.at(id), tail_entries);
  Check();
}

void Cluster::Release(uint64_t id, Index through) {
  Host& host = hosts_.at(id);
  DurableState& disk = host.disk;
  if (through <= disk.base || through > disk.last()) return;
  disk.base_term = disk.At(through)->term;
  if (host.applied_durable < through) host.applied_durable = through;
  host.applied_configuration = ConfigurationAt(host, host.applied_durable);
  disk.entries.erase(disk.entries.begin(),
                     disk.entries.begin() + static_cast<ptrdiff_t>(through.value - disk.base.value));
  disk.base = through;
}

void Cluster::Isolate(uint64_t id) {
  for (const auto& [other, host] : hosts_) {
    if (other != id) Cut(id, other);
  }
}

void Cluster::Work(uint64_t id) {
  for (bool busy = true; busy;) {
    busy = false;
    while (core(id).HasOutput()) Take(id), busy = true;
    busy |= Persist(id);
    busy |= AnswerFetch(id);
    busy |= work_sends_snapshots && SendSnapshot(id);
    busy |= Apply(id);
  }
}

void Cluster::Settle() {
  for (bool busy = true; busy;) {
    for (auto& [id, host] : hosts_) {
      if (host.core) Work(id);
    }
    busy = !network_.empty();
    for (Message& message : std::exchange(network_, {})) Arrive(std::move(message));
  }
}

void Cluster::Elect(uint64_t id) {
  // The others forget the leader they hear, else they would be loyal to it.
  for (auto& [other, host] : hosts_) {
    if (other != id && host.core && host.core->role() != Role::kLeader) {
      host.core->PeerGone(host.core->leader(), host.core->term());
    }
  }
  Campaign(id);
  Settle();
}

uint64_t Cluster::Leader() const {
  uint64_t leader = 0;
  Term term;
  for (const auto& [id, host] : hosts_) {
    if (host.core && host.core->role() == Role::kLeader && host.core->term() >= term) {
      leader = id;
      term = host.core->term();
    }
  }
  return leader;
}

void Cluster::Check() {
  std::vector<InvariantChecker::Observed> up;
  std::map<NodeId, const DurableState*> disks;
  for (const auto& [id, host] : hosts_) {
    disks[host.id] = &host.disk;
    if (host.core) up.push_back({host.core.get(), &host.disk});
  }
  checker_.Check(up, disks);
}

std::string Cluster::Status() {
  std::string text;
  for (const auto& [id, host] : hosts_) {
    text += host.core ? Describe(*host.core) + "\n" : "node " + std::to_string(id) + ": down\n";
  }
  return text;
}

}  // namespace regent::raft
