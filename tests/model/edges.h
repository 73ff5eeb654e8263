// Which numbers at the edges of their type the requests of a run had in which field: each field must have had them all.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "api/contract/requests.h"

namespace regent::model {

class Edges {
 public:
  Edges();  // knows every field from the beginning, so that one that is never met is seen

  void Count(const api::WriteRequest& request);
  void Count(const api::TxnRequest& txn);
  void Count(const api::RangeRequest& range);

  // "field: values" of what never came, "" when nothing is missing.
  std::string Missing() const;

 private:
  void Note(const std::string& field, int64_t value);

  std::map<std::string, std::set<int64_t>> missing_;
};

}  // namespace regent::model
