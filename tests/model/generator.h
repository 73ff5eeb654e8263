// Random requests: adversarial keys, edge numbers, operands that often match because they are taken from the model.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/requests.h"
#include "tests/model/model.h"
#include "tests/model/random.h"

namespace regent::model {

struct Profile {
  enum class Keys : uint8_t { kAdversarial, kMany };
  Keys keys = Keys::kAdversarial;
  size_t key_count = 0;  // of kMany
  size_t value_bytes_max = 64;
  uint64_t huge_value_one_in = 0;  // 0: never; a huge value has 1.5 MiB less a little
  uint64_t delete_one_in = 6;
  uint64_t wide_one_in = 8;  // ranges over everything
};

class Generator {
 public:
  // Both must outlive the generator.
  Generator(Random& random, const Model& model, Profile profile);

  api::WriteRequest Write();
  size_t key_count() const { return keys_.size(); }
  api::PutRequest PutOf(size_t key) { return {.key = keys_[key], .value = Value()}; }
  api::CompactionRequest Compaction();
  api::RangeRequest Range(int64_t current);
  api::TxnRequest ReadTxn(int64_t current);
  // Key and range_end of a watch.
  std::pair<std::string, std::string> Selection();
  // A revision that can be read, mostly; edges at times.
  int64_t Revision(int64_t current);

 private:
  const std::string& Key() { return random_.Pick(keys_); }
  std::string Value();
  int64_t Lease();
  int64_t Limit();
  std::string RangeEnd(const std::string& key);
  api::PutRequest Put();
  api::DeleteRangeRequest Delete();
  api::LeaseGrantRequest Grant();
  api::LeaseExpiryRequest Expiry();
  api::AlarmRequest Alarm();
  api::Compare Compare();
  void SetOperand(api::Compare* compare);
  api::TxnRequest Txn(int depth);
  std::vector<api::RequestOp> Operations(int depth);

  Random& random_;
  const Model& model_;
  Profile profile_;
  std::vector<std::string> keys_;
  uint64_t values_made_ = 0;
};

std::string Describe(const api::WriteRequest& request);
std::string Describe(const api::RangeRequest& request);
std::string Describe(const api::TxnRequest& request);

}  // namespace regent::model
