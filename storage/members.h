// Who the members of the cluster are: replicated state, of which apply alone is the owner. Who of them votes and who
// learns is said by the configuration, and nowhere else.
//
//   row 'm' 'm' id:8 -> name urls urls inc? awaits?   of a member: name (v bytes), peer URLs, client URLs (v count, v
//                                             bytes each), incarnation (8 bytes) once it is published, a byte 1 while
//                                             it awaits its vote
//   row 'm' 'r' id:8 -> empty                 was removed; its id never comes back
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/contract/requests.h"
#include "storage/engine.h"

namespace regent::storage {

class Members {
 public:
  // Reads the rows. A malformed one ends the process.
  explicit Members(const Engine& engine);

  // is_learner is not set.
  const std::map<uint64_t, api::Member>& all() const { return members_; }
  const std::set<uint64_t>& removed() const { return removed_; }

  // Each writes its row into `batch`. Put replaces a member of the same id.
  void Put(api::Member member, Batch& batch);
  void Remove(uint64_t id, Batch& batch);

 private:
  std::map<uint64_t, api::Member> members_;
  std::set<uint64_t> removed_;
};

// A value of a row of a member.
std::string EncodeMemberRow(const api::Member& member);
std::optional<api::Member> ParseMemberRow(uint64_t id, std::string_view value);  // nullopt: malformed

}  // namespace regent::storage
