#include "tests/model/coverage.h"

#include <glog/logging.h>

namespace regent::model {
namespace {

constexpr const char* kCounters[] = {
    "operations",
    "entries",
    "turns of several entries",
    "changes",
    "no-ops of a new term",
    "configurations",
    "put",
    "delete range",
    "transaction",
    "nested transaction",
    "read-only transaction",
    "compare of a range",
    "compare true",
    "compare false",
    "prev_kv",
    "lease grant",
    "lease revoke",
    "lease revoke with keys",
    "lease revoke of another term",
    "lease expiry",
    "lease expiry of another term",
    "alarm raised",
    "alarm disarmed",
    "writes over the quota",
    "deletes of 100 keys and more",
    "values of 1 MiB and more",
    "events too large to post",
    "range",
    "range at an old revision",
    "range by a stale view",
    "range sorted",
    "range filtered",
    "range keys_only",
    "range count_only",
    "range cut by the limit",
    "count at an old revision",
    "error compacted",
    "error future revision",
    "error key not found",
    "error lease not found",
    "error lease exists",
    "error lease TTL too large",
    "error no space",
    "error corrupt",
    "event reads",
    "events read",
    "events with a previous version",
    "events at the compacted revision",
    "events posted",
    "compactions",
    "purge slices",
    "purges to the end",
    "flushes",
    "restarts",
    "restarts with an alarm",
    "entries replayed",
    "crashes inside an entry",
    "full comparisons",
    "stores of 1000 keys and more",
};

}  // namespace

Coverage::Coverage() {
  for (const char* name : kCounters) counters_[name] = 0;
}

void Coverage::Count(const std::string& name, uint64_t times) {
  const auto found = counters_.find(name);
  CHECK(found != counters_.end()) << "no such counter: " << name;
  found->second += times;
}

uint64_t Coverage::Get(const std::string& name) const { return counters_.at(name); }

std::string Coverage::Table() const {
  std::string table;
  for (const char* name : kCounters) {
    std::string number = std::to_string(counters_.at(name));
    table += "  " + std::string(10 - std::min<size_t>(10, number.size()), ' ') + number + "  " + name + "\n";
  }
  return table;
}

std::string Coverage::Missing() const {
  std::string missing;
  for (const auto& [name, count] : counters_) {
    if (count == 0) missing += (missing.empty() ? "" : ", ") + name;
  }
  const auto share = [&](const char* name, uint64_t percent) {
    if (counters_.at(name) * 100 < counters_.at("operations") * percent) {
      missing += (missing.empty() ? "" : ", ") + std::string(name) + " below " + std::to_string(percent) + " %";
    }
  };
  share("transaction", 5);
  share("range at an old revision", 1);
  const auto rate = [&](const char* name, uint64_t per_million) {
    if (counters_.at(name) * 1'000'000 < counters_.at("operations") * per_million) {
      missing += (missing.empty() ? "" : ", ") + std::string(name) + " below " + std::to_string(per_million) +
                 " in a million operations";
    }
  };
  rate("compactions", 200);
  rate("restarts", 50);
  if (!edges_.Missing().empty()) missing += (missing.empty() ? "" : ", ") + ("edges of " + edges_.Missing());
  return missing;
}

}  // namespace regent::model
