#include "storage/leases.h"

#include <set>
#include <utility>

#include "api/contract/key_range.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/keys.h"
#include "storage/row_reader.h"

namespace regent::storage {

std::optional<int64_t> ParseLeaseTtl(std::string_view value) {
  RowReader reader(value);
  const int64_t ttl = reader.Int64();
  if (reader.malformed()) return std::nullopt;
  return ttl;
}

Leases::Leases(const Engine& engine) : engine_(engine) {
  const std::unique_ptr<RowIterator> row = engine.Iterate(api::PrefixEnd(kLeaseRows), Scope::kRange);
  for (row->Seek(kLeaseRows); row->Valid(); row->Next()) {
    const int64_t id = static_cast<int64_t>(ReadBigEndian64(row->row().substr(kLeaseRows.size())));
    const std::optional<int64_t> ttl = ParseLeaseTtl(row->value());
    CHECK(ttl.has_value()) << "the row of lease " << id << " is malformed";
    ttls_[id] = *ttl;
  }
}

void Leases::Grant(int64_t id, int64_t ttl) {
  ttls_[id] = ttl;
  std::string value;
  api::AppendVarint(value, static_cast<uint64_t>(ttl));
  noted_.insert_or_assign(LeaseRow({id}), std::move(value));
}

void Leases::Remove(int64_t id) {
  ttls_.erase(id);
  noted_.insert_or_assign(LeaseRow({id}), std::nullopt);
}

void Leases::Attach(int64_t id, std::string_view key) {
  noted_.insert_or_assign(LeaseKeyRow({id}, key), std::string());
}

void Leases::Detach(int64_t id, std::string_view key) { noted_.insert_or_assign(LeaseKeyRow({id}, key), std::nullopt); }

std::vector<std::string> Leases::Keys(int64_t id) const {
  const std::string first = LeaseKeyRow({id}, "");
  const std::string end = api::PrefixEnd(first);
  std::set<std::string> keys;
  const std::unique_ptr<RowIterator> row = engine_.Iterate(end, Scope::kRange);
  for (row->Seek(first); row->Valid(); row->Next()) keys.emplace(row->row().substr(first.size()));
  for (const Rows* rows : {&in_batch_, &noted_}) {
    for (auto change = rows->lower_bound(first); change != rows->end() && change->first < end; ++change) {
      std::string key = change->first.substr(first.size());
      if (change->second.has_value()) {
        keys.insert(std::move(key));
      } else {
        keys.erase(key);
      }
    }
  }
  return {keys.begin(), keys.end()};
}

void Leases::WriteRows(Batch& batch) {
  for (auto& [row, value] : noted_) {
    if (value.has_value()) {
      batch.Put(row, *value);
    } else {
      batch.Delete(row);
    }
    in_batch_.insert_or_assign(row, std::move(value));
  }
  noted_.clear();
}

}  // namespace regent::storage
