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
  // put: a random key. range, range-serializable: a random key. txn-update: the write of Kubernetes. count: of all
  // keys. page: all keys, page_limit at a time (0: at once); stream: the same by RangeStream. fill: every key once,
  // then the end. compact: everything but the newest revision, physically, then the end.
  std::string name;
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
  bool streaming = false;  // the answer comes in parts
};

class Workload {
 public:
  virtual ~Workload() = default;

  // The next request of this client; a path of null: the client has nothing left to do.
  virtual Request Next(size_t client) = 0;

  // The reply to the client's last request; empty after a streaming one. False: the answer is wrong, which counts as an
  // error.
  virtual bool Accept(size_t client, std::string_view reply) = 0;

  // A part of a streaming request's answer.
  virtual bool AcceptPart(size_t, std::string_view) { return false; }

  virtual size_t clients() const = 0;

  // How many requests there are in all; 0: no end.
  virtual uint64_t operations() const { return 0; }

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
