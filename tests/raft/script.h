// A small language for interaction scripts (tests/raft/golden/*.txt). A script is a list of blocks:
//
//   # comment
//   cluster voters=3
//   campaign 1
//   ----
//   what the commands above printed
//
// Commands (ids are node numbers):
//   cluster voters=3 [learners=0] [others=0] [outgoing=1,2] [seed=1] [prevote=off] [checkquorum=off] [election=10]
//   [heartbeat=1]
//           [append-bytes=] [in-flight=] [in-flight-bytes=] [apply-bytes=] [tail-bytes=] [uncommitted-bytes=]
//           [step-bytes=]
//   disk 1 terms=1,1,2 [term=2] [vote=0] [applied=0] [tail=0]   restarts node 1 with this disk
//   tick 1 [n] | campaign 1 | elect 1 (quiet) | gone 1 2 (the connections of 2 closed, says 1)
//   propose 1 a b | read 1 7
//   change 1 voters=1,2,3 [learners=4] [expected=7]   at node 1, from the configuration that it believes in
//   transfer 1 2 | resign 1
//   take 1        one TakeOutput, printed; a step stays out
//   persist 1 | apply 1 | fetch 1 | snapshot 1 [lost] | spoil 1   the owner's answers; spoil: the snapshot cannot be
//   used work 1        take, persist, fetch and apply until idle settle        all nodes work and all messages arrive
//   until idle deliver 1 2 | drop 1 2 | repeat 1 2   all messages from 1 to 2 (0: any node), in order crash 1
//   [torn=none|hard|part|all] [entries=n] [applied=n] | restart 1 [tail=n] cut 1 2 | isolate 1 | heal | release 1 5
//   status | log 1 | network
//   quiet COMMAND   without the outputs
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/raft/cluster.h"

namespace regent::raft {

class Script {
 public:
  explicit Script(CoreMutants mutants = {}) : mutants_(mutants) {}

  // Runs all blocks of `text` and returns it with the outputs that came out.
  std::string Run(const std::string& text);
  bool violated() const { return violated_; }

 private:
  struct Command {
    std::string name;
    std::vector<std::string> words;
    std::map<std::string, std::string> options;
    uint64_t Id(size_t position) const;
    uint64_t Option(const std::string& name, uint64_t fallback) const;
  };

  std::string RunLine(const std::string& line);
  static Command Parse(const std::string& line);
  void Execute(const Command& command);
  bool ExecuteClients(const Command& command);
  bool ExecuteOperators(const Command& command);
  void PrintRefusal(const std::string& what, const ProposeResult& result);
  bool ExecuteOwner(const Command& command);
  bool ExecuteNetwork(const Command& command);
  bool ExecuteFaults(const Command& command);
  bool ExecuteQuestions(const Command& command);
  void MakeCluster(const Command& command);
  void SetDisk(const Command& command);
  void Print(const std::string& prefix, const std::string& lines);

  const CoreMutants mutants_;
  std::unique_ptr<Cluster> cluster_;
  std::string out_;
  size_t violations_printed_ = 0;
  bool quiet_ = false;
  bool violated_ = false;
};

}  // namespace regent::raft
