#include "tests/raft/script.h"

#include <sstream>

#include "raft/describe.h"

namespace regent::raft {
namespace {

std::vector<uint64_t> Numbers(const std::string& text) {
  std::vector<uint64_t> numbers;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) numbers.push_back(std::stoull(part));
  return numbers;
}

}  // namespace

uint64_t Script::Command::Id(size_t position) const {
  return position < words.size() ? std::stoull(words[position]) : 0;
}

uint64_t Script::Command::Option(const std::string& option, uint64_t fallback) const {
  const auto found = options.find(option);
  if (found == options.end()) return fallback;
  if (found->second == "on") return 1;
  if (found->second == "off") return 0;
  return std::stoull(found->second);
}

std::string Script::Run(const std::string& text) {
  std::stringstream input(text);
  std::string result;
  std::string commands_output;
  bool in_output = false;
  for (std::string line; std::getline(input, line);) {
    if (in_output) {
      if (!line.empty()) continue;  // the recorded output ends with an empty line
      in_output = false;
      result += "\n";
      continue;
    }
    result += line + "\n";
    if (line == "----") {
      result += commands_output.empty() ? "ok\n" : commands_output;
      commands_output.clear();
      in_output = true;
    } else if (!line.empty() && line[0] != '#') {
      commands_output += RunLine(line);
    }
  }
  return result;
}

std::string Script::RunLine(const std::string& line) {
  out_.clear();
  Command command = Parse(line);
  quiet_ = command.name == "quiet" || command.name == "elect";
  if (command.name == "quiet") {
    command.name = command.words.front();
    command.words.erase(command.words.begin());
  }
  Execute(command);
  if (cluster_) {
    const std::vector<std::string>& violations = cluster_->checker().violations();
    for (; violations_printed_ < violations.size(); ++violations_printed_) {
      out_ += "VIOLATION " + violations[violations_printed_] + "\n";
      violated_ = true;
    }
  }
  return out_;
}

Script::Command Script::Parse(const std::string& line) {
  Command command;
  std::stringstream stream(line);
  stream >> command.name;
  for (std::string word; stream >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      command.words.push_back(word);
    } else {
      command.options[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  return command;
}

void Script::Print(const std::string& prefix, const std::string& lines) {
  std::stringstream stream(lines);
  for (std::string line; std::getline(stream, line);) out_ += prefix + line + "\n";
}

void Script::Execute(const Command& command) {
  if (command.name == "cluster") return MakeCluster(command);
  if (command.name == "disk") return SetDisk(command);
  if (!ExecuteClients(command) && !ExecuteOperators(command) && !ExecuteOwner(command) && !ExecuteNetwork(command) &&
      !ExecuteFaults(command) && !ExecuteQuestions(command)) {
    out_ += "unknown command " + command.name + "\n";
    violated_ = true;
  }
}

void Script::MakeCluster(const Command& command) {
  ClusterOptions options;
  options.mutants = mutants_;
  options.configuration = MakeConfiguration(command.Option("voters", 3), command.Option("learners", 0));
  if (command.options.contains("outgoing")) {
    for (uint64_t id : Numbers(command.options.at("outgoing"))) options.configuration.outgoing_voters.push_back({id});
  }
  options.others = command.Option("others", 0);
  options.seed = command.Option("seed", 1);
  CoreOptions& core = options.core;
  core.pre_vote = command.Option("prevote", 1) != 0;
  core.check_quorum = command.Option("checkquorum", 1) != 0;
  core.election_ticks = static_cast<uint32_t>(command.Option("election", core.election_ticks));
  core.heartbeat_ticks = static_cast<uint32_t>(command.Option("heartbeat", core.heartbeat_ticks));
  core.in_flight_messages_max = static_cast<uint32_t>(command.Option("in-flight", core.in_flight_messages_max));
  core.append_message_bytes_max = command.Option("append-bytes", core.append_message_bytes_max);
  core.in_flight_bytes_max = command.Option("in-flight-bytes", core.in_flight_bytes_max);
  core.apply_bytes_max = command.Option("apply-bytes", core.apply_bytes_max);
  core.step_bytes_max = command.Option("step-bytes", core.step_bytes_max);
  core.memory_tail_bytes_max = command.Option("tail-bytes", core.memory_tail_bytes_max);
  core.uncommitted_bytes_max = command.Option("uncommitted-bytes", core.uncommitted_bytes_max);
  cluster_ = std::make_unique<Cluster>(options);
  violations_printed_ = 0;
  cluster_->watch = [this](uint64_t id, const Output& output) {
    if (!quiet_) Print(std::to_string(id) + "| ", Describe(output));
  };
}

void Script::SetDisk(const Command& command) {
  Cluster::Host& host = cluster_->host(command.Id(0));
  cluster_->Crash(command.Id(0));
  host.disk.entries = EntriesOfTerms(Numbers(command.options.at("terms")));
  for (Entry& entry : host.disk.entries) entry.data = "d" + std::to_string(entry.index.value);
  const uint64_t term = command.Option("term", host.disk.entries.empty() ? 0 : host.disk.entries.back().term.value);
  host.disk.hard_state = {.term = {term}, .vote = {command.Option("vote", 0)}};
  host.applied_durable = {command.Option("applied", 0)};
  cluster_->checker().BeginsCommitted({host.disk.entries.data(), host.applied_durable.value});
  cluster_->Restart(command.Id(0), command.Option("tail", 0));
}

bool Script::ExecuteClients(const Command& command) {
  const uint64_t id = command.Id(0);
  if (command.name == "tick") {
    cluster_->Tick(id, static_cast<uint32_t>(command.words.size() > 1 ? command.Id(1) : 1));
  } else if (command.name == "campaign") {
    if (!cluster_->Campaign(id)) out_ += "no campaign\n";
  } else if (command.name == "elect") {
    cluster_->Elect(id);
    if (cluster_->Leader() != id) out_ += "leader is " + std::to_string(cluster_->Leader()) + "\n";
  } else if (command.name == "gone") {
    cluster_->PeerGone(id, command.Id(1));
  } else if (command.name == "propose") {
    for (size_t i = 1; i < command.words.size(); ++i) {
      PrintRefusal(command.words[i], cluster_->Propose(id, command.words[i]));
    }
  } else if (command.name == "read") {
    if (!cluster_->Read(id, command.Id(1))) out_ += "refused\n";
  } else {
    return false;
  }
  return true;
}

void Script::PrintRefusal(const std::string& what, const ProposeResult& result) {
  const auto* refused = std::get_if<Refused>(&result);
  if (refused == nullptr) return;
  const char* const reasons[] = {"not leader", "full",    "transferring",  "pending",
                                 "conflict",   "invalid", "bad transferee"};
  out_ += what + ": refused, " + reasons[static_cast<int>(refused->reason)] +
          ", leader=" + std::to_string(refused->leader.value) + "\n";
}

bool Script::ExecuteOperators(const Command& command) {
  const uint64_t id = command.Id(0);
  if (command.name == "change") {
    Configuration target;
    for (uint64_t voter : Numbers(command.options.at("voters"))) target.voters.push_back({voter});
    if (command.options.contains("learners")) {
      for (uint64_t learner : Numbers(command.options.at("learners"))) target.learners.push_back({learner});
    }
    std::optional<Index> expected;
    if (command.options.contains("expected")) expected = Index{command.Option("expected", 0)};
    PrintRefusal("change", cluster_->Change(id, target, expected));
  } else if (command.name == "transfer") {
    PrintRefusal("transfer", cluster_->Transfer(id, command.Id(1)));
  } else if (command.name == "resign") {
    cluster_->StepDown(id);
  } else {
    return false;
  }
  return true;
}

bool Script::ExecuteOwner(const Command& command) {
  const uint64_t id = command.Id(0);
  const auto need = [this](bool done) { out_ += done ? "" : "nothing to do\n"; };
  if (command.name == "take") {
    cluster_->Take(id);
  } else if (command.name == "persist") {
    need(cluster_->Persist(id));
  } else if (command.name == "apply") {
    need(cluster_->Apply(id));
  } else if (command.name == "fetch") {
    need(cluster_->AnswerFetch(id));
  } else if (command.name == "snapshot") {
    need(cluster_->SendSnapshot(id, command.words.size() < 2));
  } else if (command.name == "spoil") {
    need(cluster_->FailInstall(id));
  } else if (command.name == "work") {
    cluster_->Work(id);
  } else if (command.name == "settle") {
    cluster_->Settle();
  } else {
    return false;
  }
  return true;
}

bool Script::ExecuteNetwork(const Command& command) {
  if (command.name != "deliver" && command.name != "drop" && command.name != "repeat") return false;
  const uint64_t from = command.Id(0);
  const uint64_t to = command.Id(1);
  const auto wanted = [&](const Message& m) {
    return (from == 0 || m.from.value == from) && (to == 0 || m.to.value == to);
  };
  std::vector<Message>& network = cluster_->network();
  size_t found = 0;
  const size_t count = network.size();
  for (size_t seen = 0, position = 0; seen < count; ++seen) {
    if (!wanted(network[position])) {
      ++position;
      continue;
    }
    ++found;
    if (!quiet_) out_ += command.name + " " + Describe(network[position]) + "\n";
    if (command.name == "deliver") {
      cluster_->Deliver(position);
    } else if (command.name == "drop") {
      cluster_->Drop(position);
    } else {
      cluster_->Repeat(position++);
    }
  }
  if (found == 0) out_ += "no message\n";
  return true;
}

bool Script::ExecuteFaults(const Command& command) {
  const uint64_t id = command.Id(0);
  if (command.name == "crash") {
    const std::map<std::string, Cluster::Torn> torn = {{"none", Cluster::Torn::kNothingWritten},
                                                       {"hard", Cluster::Torn::kHardStateWritten},
                                                       {"part", Cluster::Torn::kPartOfEntriesWritten},
                                                       {"all", Cluster::Torn::kAllWritten}};
    const auto found = command.options.find("torn");
    cluster_->Crash(id, found == command.options.end() ? Cluster::Torn::kNothingWritten : torn.at(found->second),
                    command.Option("entries", 0), {command.Option("applied", 0)});
  } else if (command.name == "restart") {
    cluster_->Restart(id, command.Option("tail", 0));
  } else if (command.name == "cut") {
    cluster_->Cut(id, command.Id(1));
  } else if (command.name == "isolate") {
    cluster_->Isolate(id);
  } else if (command.name == "heal") {
    cluster_->Heal();
  } else if (command.name == "release") {
    cluster_->Release(id, {command.Id(1)});
  } else {
    return false;
  }
  return true;
}

bool Script::ExecuteQuestions(const Command& command) {
  if (command.name == "status") {
    out_ += cluster_->Status();
  } else if (command.name == "network") {
    for (const Message& message : cluster_->network()) out_ += Describe(message) + "\n";
  } else if (command.name == "log") {
    for (const Entry& entry : cluster_->host(command.Id(0)).disk.entries) out_ += Describe(entry) + "\n";
  } else {
    return false;
  }
  return true;
}

}  // namespace regent::raft
