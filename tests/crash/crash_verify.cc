// Is everything that was acknowledged still there, with the revision that the answer named? A put is read at its own
// revision, so what was overwritten later counts as well; nothing is compacted in these tests.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "api/contract/wire.h"
#include "tests/crash/crash_client.h"
#include "tests/crash/rpc_client.h"

namespace regent::crash {
namespace {

constexpr std::chrono::seconds kDeadline{20};
constexpr size_t kOutstandingMax = 200;
constexpr int kShownMax = 10;

struct Acknowledged {
  std::string kind;  // put, delete, lease
  std::string key;
  std::string value;
  int64_t number = 0;  // of a put its lease, of a delete how many, of a lease its id
  int64_t ttl = 0;
  int64_t revision = 0;
};

std::vector<Acknowledged> ReadRecord(const std::string& path) {
  std::vector<Acknowledged> record;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Acknowledged entry;
    words >> entry.kind;
    if (entry.kind == "put") words >> entry.key >> entry.value >> entry.number >> entry.revision;
    if (entry.kind == "delete") words >> entry.key >> entry.number >> entry.revision;
    if (entry.kind == "lease") words >> entry.number >> entry.ttl >> entry.revision;
    if (!words.fail()) record.push_back(std::move(entry));
  }
  return record;
}

class Verification {
 public:
  explicit Verification(const Options& options)
      : options_(options), client_(options.endpoint, 4), record_(ReadRecord(options.record)) {}

  int Run() {
    if (record_.empty()) Problem("the record is empty");
    CheckRevisions();
    CheckHeader();
    for (size_t i = 0; i < kOutstandingMax; ++i) Next();
    client_.Run();
    std::printf("%zu acknowledged (%lld puts, %lld deletes, %lld leases), highest revision %lld, %d problems\n",
                record_.size(), static_cast<long long>(kinds_["put"]), static_cast<long long>(kinds_["delete"]),
                static_cast<long long>(kinds_["lease"]), static_cast<long long>(highest_), problems_);
    return problems_ == 0 ? 0 : 1;
  }

 private:
  void Problem(const std::string& text) {
    if (++problems_ <= kShownMax) std::printf("PROBLEM: %s\n", text.c_str());
  }

  // Every change has a revision of its own, above all of the lives before.
  void CheckRevisions() {
    std::map<int64_t, const Acknowledged*> by_revision;
    for (const Acknowledged& entry : record_) {
      ++kinds_[entry.kind];
      highest_ = std::max(highest_, entry.revision);
      if (entry.kind == "lease" || (entry.kind == "delete" && entry.number == 0)) continue;
      if (entry.revision <= options_.after_revision) {
        Problem(entry.key + ": revision " + std::to_string(entry.revision) + " was used before the crash");
      }
      if (!by_revision.emplace(entry.revision, &entry).second) {
        Problem(entry.key + ": revision " + std::to_string(entry.revision) + " was given out twice");
      }
      if (entry.kind == "put" && entry.number != 0) lease_keys_[entry.number].insert(entry.key);
    }
  }

  void CheckHeader() {
    std::string request;
    api::AppendBytes(request, 1, "header");
    const auto response = client_.Call(kRange, request, kDeadline);
    if (!response.ok()) return Problem("range: " + response.status().ToString());
    if (HeaderRevision(*response) < highest_) {
      Problem("the store is at revision " + std::to_string(HeaderRevision(*response)) + ", acknowledged were up to " +
              std::to_string(highest_));
    }
  }

  void Next() {
    if (position_ == record_.size()) return;
    const Acknowledged& entry = record_[position_++];
    std::string request;
    const char* method = kRange;
    if (entry.kind == "lease") {
      method = kTimeToLive;
      api::AppendInt64(request, 1, entry.number);
      api::AppendBool(request, 2, true);
    } else {
      api::AppendBytes(request, 1, entry.key);
      api::AppendInt64(request, 4, entry.revision);
    }
    client_.Start(method, request, kDeadline, [this, &entry](auto response) {
      if (!response.ok()) {
        Problem(entry.kind + " " + entry.key + " at " + std::to_string(entry.revision) + ": " +
                response.status().ToString());
      } else if (entry.kind == "lease") {
        CheckLease(entry, *response);
      } else {
        CheckKey(entry, *response);
      }
      Next();
    });
  }

  void CheckKey(const Acknowledged& entry, const std::string& response) {
    std::string_view encoded;
    api::WireReader fields(response);
    while (const auto field = fields.Next()) {
      if (field->tag == api::BytesTag(2)) encoded = field->bytes;
    }
    const std::string where = entry.kind + " " + entry.key + " at " + std::to_string(entry.revision);
    if (entry.kind == "delete") {
      if (!encoded.empty()) Problem(where + ": the key is still there");
      return;
    }
    if (encoded.empty()) return Problem(where + ": lost");
    std::string value;
    int64_t mod = 0;
    int64_t lease = 0;
    api::WireReader kv(encoded);
    while (const auto field = kv.Next()) {
      if (field->tag == api::VarintTag(3)) mod = field->int64();
      if (field->tag == api::BytesTag(5)) value = std::string(field->bytes);
      if (field->tag == api::VarintTag(6)) lease = field->int64();
    }
    if (mod != entry.revision) Problem(where + ": its revision is " + std::to_string(mod));
    if (value != entry.value) Problem(where + ": another value");
    if (lease != entry.number) Problem(where + ": its lease is " + std::to_string(lease));
  }

  void CheckLease(const Acknowledged& entry, const std::string& response) {
    int64_t granted = 0;
    std::set<std::string> keys;
    api::WireReader fields(response);
    while (const auto field = fields.Next()) {
      if (field->tag == api::VarintTag(4)) granted = field->int64();
      if (field->tag == api::BytesTag(5)) keys.emplace(field->bytes);
    }
    const std::string where = "lease " + std::to_string(entry.number);
    if (granted != entry.ttl) return Problem(where + ": lost (granted ttl " + std::to_string(granted) + ")");
    for (const std::string& key : lease_keys_[entry.number]) {
      // A hot key is written again without the lease.
      if (!key.ends_with("/hot") && !keys.contains(key)) Problem(where + ": is not attached to " + key);
    }
  }

  const Options& options_;
  RpcClient client_;
  std::vector<Acknowledged> record_;
  std::map<int64_t, std::set<std::string>> lease_keys_;
  std::map<std::string, int64_t> kinds_;
  size_t position_ = 0;
  int64_t highest_ = 0;
  int problems_ = 0;
};

}  // namespace

int Verify(const Options& options) { return Verification(options).Run(); }

}  // namespace regent::crash
