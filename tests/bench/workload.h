// What the loader asks for: a workload makes the next request of a client and looks at its reply.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace regent::bench {

struct WorkloadOptions {
  std::string name;  // put, range, range-serializable, txn-update, count, page, fill
  std::string prefix = "/registry/bench/";
  uint64_t keys = 100'000;
  size_t value_bytes = 256;
  int64_t page_limit = 500;
  uint64_t seed = 1;
  size_t clients = 1;
};

struct Request {
  const char* path = nullptr;
  std::string message;
};

class Workload {
 public:
  virtual ~Workload() = default;

  // The next request of this client; a path of null: the client has nothing left to do.
  virtual Request Next(size_t client) = 0;

  // The reply to the client's last request. False: the answer is wrong, which counts as an error.
  virtual bool Accept(size_t client, std::string_view reply) = 0;

  // How many units of work a reply stands for: 1, except where one request holds many.
  virtual uint64_t units() const { return 1; }
};

// Null when there is no workload of that name.
std::unique_ptr<Workload> MakeWorkload(const WorkloadOptions& options);

// The key with a number: the prefix and ten digits.
std::string KeyOf(const WorkloadOptions& options, uint64_t number);

// Text like that of a stored object: half of it repeats from value to value, half is unique, so that a compressing
// store gains what it gains in life.
std::string RealisticValue(std::mt19937_64& random, size_t size_bytes);

}  // namespace regent::bench
