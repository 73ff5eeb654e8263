// The writers. Each has keys of its own: most are written once, one is written again and again and deleted at times,
// and after a lease grant the keys that follow are attached to that lease.
#include <cstdio>
#include <string>
#include <vector>

#include "api/contract/wire.h"
#include "tests/crash/crash_client.h"
#include "tests/crash/rpc_client.h"

namespace regent::crash {
namespace {

constexpr std::chrono::seconds kDeadline{10};
constexpr int64_t kLeaseSeconds = 3600;

struct Written {
  std::string method;
  std::string request;
  std::string line;  // of the record, without the revision
};

std::string EncodePut(const std::string& key, const std::string& value, int64_t lease, bool prev_kv) {
  std::string request;
  api::AppendBytes(request, 1, key);
  api::AppendBytes(request, 2, value);
  api::AppendInt64(request, 3, lease);
  api::AppendBool(request, 4, prev_kv);
  return request;
}

class Writers {
 public:
  explicit Writers(const Options& options)
      : options_(options),
        client_(options.endpoint, options.connections),
        record_(std::fopen(options.record.c_str(), "a")),
        deadline_(std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds)),
        steps_(static_cast<size_t>(options.writers)),
        leases_(static_cast<size_t>(options.writers)) {}
  ~Writers() {
    if (record_ != nullptr) std::fclose(record_);
  }

  int Run() {
    if (record_ == nullptr) return std::perror(options_.record.c_str()), 2;
    for (size_t writer = 0; writer < steps_.size(); ++writer) Next(writer);
    client_.Run();
    std::printf("%lld acknowledged, %lld without an answer\n", static_cast<long long>(acknowledged_),
                static_cast<long long>(unknown_));
    return 0;
  }

 private:
  void Next(size_t writer) {
    if (std::chrono::steady_clock::now() >= deadline_) return;
    const Written written = Make(writer);
    client_.Start(written.method, written.request, kDeadline, [this, writer, line = written.line](auto response) {
      if (!response.ok()) {
        ++unknown_;  // this writer is done: what became of its last request is unknown
        return;
      }
      Record(line, *response);
      Next(writer);
    });
  }

  Written Make(size_t writer) {
    const int64_t step = ++steps_[writer];
    const std::string name = options_.prefix + "/" + std::to_string(writer);
    if (step % 40 == 1) {
      // Positive, and no other writer or run takes it.
      const auto id = static_cast<int64_t>(std::hash<std::string>{}(name + "/" + std::to_string(step)) >> 1);
      leases_[writer] = id;
      std::string request;
      api::AppendInt64(request, 1, kLeaseSeconds);
      api::AppendInt64(request, 2, id);
      return {kGrant, request, "lease " + std::to_string(id) + " " + std::to_string(kLeaseSeconds)};
    }
    if (step % 17 == 0) {
      std::string request;
      api::AppendBytes(request, 1, name + "/hot");
      return {kDelete, request, "delete " + name + "/hot"};
    }
    const std::string key = step % 4 == 0 ? name + "/hot" : name + "/" + std::to_string(step);
    const int64_t more = step % 200 + (step % 9 == 0 ? 1200 : 0);  // some lie in the store's files of large values
    const std::string value = name + ":" + std::to_string(step) + std::string(static_cast<size_t>(more), 'x');
    const int64_t lease = step % 40 < 6 ? leases_[writer] : 0;
    return {kPut, EncodePut(key, value, lease, false), "put " + key + " " + value + " " + std::to_string(lease)};
  }

  void Record(const std::string& line, const std::string& response) {
    ++acknowledged_;
    std::string deleted;
    if (line.starts_with("delete")) {
      deleted = " 0";
      api::WireReader fields(response);
      while (const auto field = fields.Next()) {
        if (field->tag == api::VarintTag(2)) deleted = " " + std::to_string(field->varint);
      }
    }
    std::fprintf(record_, "%s%s %lld\n", line.c_str(), deleted.c_str(),
                 static_cast<long long>(HeaderRevision(response)));
    std::fflush(record_);
  }

  const Options& options_;
  RpcClient client_;
  std::FILE* record_;
  std::chrono::steady_clock::time_point deadline_;
  std::vector<int64_t> steps_;
  std::vector<int64_t> leases_;
  int64_t acknowledged_ = 0;
  int64_t unknown_ = 0;
};

}  // namespace

int Write(const Options& options) { return Writers(options).Run(); }

int Sequence(const Options& options) {
  RpcClient client(options.endpoint, 1);
  for (int64_t i = 1; i <= options.values; ++i) {
    char value[64];
    std::snprintf(value, sizeof value, "%s-value-%06lld", options.prefix.c_str(), static_cast<long long>(i));
    const auto response = client.Call(kPut, EncodePut(options.prefix + "-key", value, 0, true), kDeadline);
    if (!response.ok()) {
      std::fprintf(stderr, "%s: %s\n", value, response.status().ToString().c_str());
      return 1;
    }
    std::printf("%s %lld\n", value, static_cast<long long>(HeaderRevision(*response)));
  }
  return 0;
}

}  // namespace regent::crash
