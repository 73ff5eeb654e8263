// A watcher that is always far behind: it reads a prefix from the first revision to the newest and begins again.
#pragma once

#include <string>
#include <string_view>

#include "tests/bench/connections.h"
#include "tests/bench/json.h"

namespace regent::bench {

class WatchBehind {
 public:
  WatchBehind(const std::string& endpoint, std::string prefix);

  // False: the watch failed or nothing came.
  bool Run(double seconds);
  void Report(JsonObject& to) const;

 private:
  void AskRevision();
  void Begin(int64_t target);
  void OnMessage(std::string_view message);
  void Fail(const std::string& what);

  const std::string prefix_;
  Connections connections_;
  H2Connection::Stream* stream_ = nullptr;
  int64_t watch_id_ = 1;  // of the current pass; each has its own
  int64_t target_ = 0;    // the revision that ends the pass
  int64_t newest_ = 0;
  uint64_t events_ = 0;
  uint64_t passes_ = 0;
  uint64_t errors_ = 0;
  std::string first_error_;
  double elapsed_seconds_ = 0;
};

}  // namespace regent::bench
