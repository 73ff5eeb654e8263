#include "tests/model/edges.h"

#include <climits>
#include <memory>
#include <variant>

namespace regent::model {
namespace {

constexpr const char* kFields[] = {
    "range.limit",      "range.revision",      "range.min_mod",   "range.max_mod",  "range.min_create",
    "range.max_create", "put.lease",           "compare.version", "compare.create", "compare.mod",
    "compare.lease",    "compaction.revision", "grant.id",        "grant.ttl",      "revoke.id",
};

const char* FieldOf(api::Compare::Target target) {
  switch (target) {
    case api::Compare::Target::kVersion:
      return "compare.version";
    case api::Compare::Target::kCreate:
      return "compare.create";
    case api::Compare::Target::kMod:
      return "compare.mod";
    case api::Compare::Target::kLease:
      return "compare.lease";
    case api::Compare::Target::kValue:
      break;
  }
  return nullptr;
}

}  // namespace

Edges::Edges() {
  for (const char* field : kFields) missing_[field] = {INT64_MIN, -1, 0, 1, INT64_MAX};
}

void Edges::Note(const std::string& field, int64_t value) {
  const auto found = missing_.find(field);
  if (found == missing_.end()) return;
  found->second.erase(value);
  if (found->second.empty()) missing_.erase(found);
}

void Edges::Count(const api::RangeRequest& range) {
  Note("range.limit", range.limit);
  Note("range.revision", range.revision.value);
  Note("range.min_mod", range.min_mod_revision.value);
  Note("range.max_mod", range.max_mod_revision.value);
  Note("range.min_create", range.min_create_revision.value);
  Note("range.max_create", range.max_create_revision.value);
}

void Edges::Count(const api::TxnRequest& txn) {
  for (const api::Compare& compare : txn.compare) {
    if (const char* field = FieldOf(compare.target)) Note(field, compare.number);
  }
  for (const auto* branch : {&txn.success, &txn.failure}) {
    for (const api::RequestOp& op : *branch) {
      if (const auto* range = std::get_if<api::RangeRequest>(&op)) Count(*range);
      if (const auto* put = std::get_if<api::PutRequest>(&op)) Note("put.lease", put->lease.value);
      if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&op)) Count(**nested);
    }
  }
}

void Edges::Count(const api::WriteRequest& request) {
  if (const auto* put = std::get_if<api::PutRequest>(&request)) Note("put.lease", put->lease.value);
  if (const auto* txn = std::get_if<api::TxnRequest>(&request)) Count(*txn);
  if (const auto* revoke = std::get_if<api::LeaseRevokeRequest>(&request)) Note("revoke.id", revoke->id.value);
  if (const auto* compaction = std::get_if<api::CompactionRequest>(&request)) {
    Note("compaction.revision", compaction->revision.value);
  }
  if (const auto* grant = std::get_if<api::LeaseGrantRequest>(&request)) {
    Note("grant.id", grant->id.value);
    Note("grant.ttl", grant->ttl);
  }
}

std::string Edges::Missing() const {
  std::string text;
  for (const auto& [field, values] : missing_) {
    text += (text.empty() ? "" : ", ") + field + ":";
    for (const int64_t value : values) text += " " + std::to_string(value);
  }
  return text;
}

}  // namespace regent::model
