// What a run has really exercised. A counter that stays at zero in a long run is a failure: the run proved less than it
// says.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/model/edges.h"

namespace regent::model {

class Coverage {
 public:
  // Declares every counter, so that one that is never met is seen.
  Coverage();
  void Count(const std::string& name, uint64_t times = 1);
  uint64_t Get(const std::string& name) const;

  Edges& edges() { return edges_; }

  std::string Table() const;
  // The names of counters below their minimum, "" when there is none.
  std::string Missing() const;

 private:
  std::map<std::string, uint64_t> counters_;
  Edges edges_;
};

}  // namespace regent::model
