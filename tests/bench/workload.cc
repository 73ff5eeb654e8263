#include "tests/bench/workload.h"

#include <algorithm>
#include <cstdio>

#include "tests/bench/requests.h"

namespace regent::bench {
namespace {

using api::AppendBytes;
using api::AppendInt64;
using api::AppendMessage;
using api::BytesTag;
using api::VarintTag;
using api::WireField;
using api::WireReader;

class KeyedWorkload : public Workload {
 public:
  explicit KeyedWorkload(const WorkloadOptions& options) : options_(options), random_(options.seed) {}
  size_t clients() const override { return options_.clients; }

 protected:
  std::string RandomKey() { return KeyOf(options_, random_() % options_.keys); }
  const WorkloadOptions options_;
  std::mt19937_64 random_;
};

class Put final : public KeyedWorkload {
 public:
  using KeyedWorkload::KeyedWorkload;
  Request Next(size_t) override {
    return {kPutPath, EncodePut(RandomKey(), RealisticValue(random_, options_.value_bytes))};
  }
  bool Accept(size_t, std::string_view reply) override { return HeaderRevision(reply) > 0; }
};

class RangeOne final : public KeyedWorkload {
 public:
  RangeOne(const WorkloadOptions& options, bool serializable) : KeyedWorkload(options), serializable_(serializable) {}
  Request Next(size_t) override {
    return {kRangePath, EncodeRange({.key = RandomKey(), .serializable = serializable_})};
  }
  bool Accept(size_t, std::string_view reply) override { return HeaderRevision(reply) > 0; }

 private:
  const bool serializable_;
};

// The write of Kubernetes: put if the revision is the one that was read; otherwise read. Each client has keys of its
// own.
class TxnUpdate final : public KeyedWorkload {
 public:
  explicit TxnUpdate(const WorkloadOptions& options) : KeyedWorkload(options), clients_(options.clients) {
    const uint64_t keys_each = std::max<uint64_t>(1, options.keys / options.clients);
    for (size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].first_key = i * keys_each;
      clients_[i].revisions.resize(keys_each);
    }
  }

  Request Next(size_t client) override {
    Client& own = clients_[client];
    own.key = random_() % own.revisions.size();
    const std::string key = KeyOf(options_, own.first_key + own.key);
    std::string compare, success, failure, out;
    AppendInt64(compare, 2, 2);  // target MOD; result EQUAL is 0
    AppendBytes(compare, 3, key);
    // The operand is written also when it is 0: it is a member of a oneof.
    api::AppendTag(compare, 6, api::WireType::kVarint);
    api::AppendVarint(compare, static_cast<uint64_t>(own.revisions[own.key]));
    AppendMessage(success, 2, EncodePut(key, RealisticValue(random_, options_.value_bytes)));
    AppendMessage(failure, 1, EncodeRange({.key = key}));
    AppendMessage(out, 1, compare);
    AppendMessage(out, 2, success);
    AppendMessage(out, 3, failure);
    return {kTxnPath, std::move(out)};
  }

  bool Accept(size_t client, std::string_view reply) override {
    Client& own = clients_[client];
    if (FieldOf(reply, VarintTag(2)).boolean()) {
      own.revisions[own.key] = HeaderRevision(reply);
      return own.revisions[own.key] > 0;
    }
    const std::string_view range = FieldOf(FieldOf(reply, BytesTag(3)).bytes, BytesTag(1)).bytes;
    const std::string_view key_value = FieldOf(range, BytesTag(2)).bytes;
    const int64_t revision = FieldOf(key_value, VarintTag(3)).int64();
    const bool newer = revision != own.revisions[own.key];  // otherwise the comparison should have held
    own.revisions[own.key] = revision;
    return newer;
  }

 private:
  struct Client {
    uint64_t first_key = 0;
    uint64_t key = 0;
    std::vector<int64_t> revisions;
  };
  std::vector<Client> clients_;
};

class Count final : public KeyedWorkload {
 public:
  using KeyedWorkload::KeyedWorkload;
  Request Next(size_t) override {
    return {kRangePath,
            EncodeRange({.key = options_.prefix, .range_end = PrefixEnd(options_.prefix), .count_only = true})};
  }
  bool Accept(size_t, std::string_view reply) override {
    const int64_t count = FieldOf(reply, VarintTag(4)).int64();
    if (count_ == 0) count_ = count;
    return count > 0 && count == count_;
  }

 private:
  int64_t count_ = 0;
};

// Goes through all keys in pages at one revision, as an apiserver lists, then begins again.
class Page : public KeyedWorkload {
 public:
  explicit Page(const WorkloadOptions& options) : KeyedWorkload(options), pages_(options.clients) {}

  Request Next(size_t client) override {
    Progress& own = pages_[client];
    if (own.key.empty()) own = Progress{.key = options_.prefix};
    own.page = {};
    return {kRangePath, EncodeRange({.key = own.key,
                                     .range_end = PrefixEnd(options_.prefix),
                                     .limit = options_.page_limit,
                                     .revision = own.revision})};
  }

  bool Accept(size_t client, std::string_view reply) override {
    Progress& own = pages_[client];
    Read(reply, own.page);
    return EndPage(own);
  }

 protected:
  struct OnePage {
    std::string last_key;
    uint64_t count = 0;
    bool more = false;
    int64_t total = 0;
    int64_t revision = 0;
  };
  struct Progress {
    std::string key;  // where the next page begins; empty: at the beginning
    int64_t revision = 0;
    uint64_t seen = 0;
    uint64_t expected = 0;
    OnePage page;
  };

  static void Read(std::string_view reply, OnePage& page) {
    std::string_view last;
    WireReader reader(reply);
    while (const std::optional<WireField> field = reader.Next()) {
      if (field->tag == BytesTag(1)) page.revision = FieldOf(field->bytes, VarintTag(3)).int64();
      if (field->tag == BytesTag(2)) {
        last = field->bytes;
        ++page.count;
      }
      if (field->tag == VarintTag(3)) page.more = field->boolean();
      if (field->tag == VarintTag(4)) page.total = field->int64();
    }
    if (!last.empty()) page.last_key = FieldOf(last, BytesTag(1)).bytes;
  }

  bool EndPage(Progress& own) const {
    if (own.revision == 0) {
      own.revision = own.page.revision;
      own.expected = static_cast<uint64_t>(own.page.total);
    }
    own.seen += own.page.count;
    if (own.page.more) {
      own.key = own.page.last_key + '\0';
      return own.page.count == static_cast<uint64_t>(options_.page_limit);
    }
    own.key.clear();
    return own.seen == own.expected && own.seen > 0;
  }

  std::vector<Progress> pages_;
};

// The same, each page in parts: only the last one carries header, count and more.
class PageStream final : public Page {
 public:
  using Page::Page;
  Request Next(size_t client) override {
    Request request = Page::Next(client);
    return {kRangeStreamPath, std::move(request.message), /*streaming=*/true};
  }
  bool AcceptPart(size_t client, std::string_view part) override {
    Read(FieldOf(part, BytesTag(1)).bytes, pages_[client].page);
    return true;
  }
  bool Accept(size_t client, std::string_view) override { return EndPage(pages_[client]); }
};

// Loads every key once, in transactions of many puts.
class Fill final : public KeyedWorkload {
 public:
  using KeyedWorkload::KeyedWorkload;
  static constexpr uint64_t kPutsPerTxn = 64;

  Request Next(size_t) override {
    if (next_key_ >= options_.keys) return {};
    std::string out;
    for (uint64_t i = 0; i < kPutsPerTxn && next_key_ < options_.keys; ++i, ++next_key_) {
      std::string operation;
      AppendMessage(operation, 2, EncodePut(KeyOf(options_, next_key_), RealisticValue(random_, options_.value_bytes)));
      AppendMessage(out, 2, operation);
    }
    return {kTxnPath, std::move(out)};
  }
  bool Accept(size_t, std::string_view reply) override { return FieldOf(reply, VarintTag(2)).boolean(); }
  uint64_t units() const override { return kPutsPerTxn; }
  uint64_t operations() const override { return (options_.keys + kPutsPerTxn - 1) / kPutsPerTxn; }

 private:
  uint64_t next_key_ = 0;
};

// Asks for the current revision, compacts there physically and leaves.
class Compact final : public KeyedWorkload {
 public:
  using KeyedWorkload::KeyedWorkload;
  Request Next(size_t) override {
    if (++step_ == 1) return {kRangePath, EncodeRange({.key = options_.prefix, .count_only = true})};
    if (step_ == 2) return {kCompactPath, EncodeCompaction(revision_, Physical::kYes)};
    return {};
  }
  bool Accept(size_t, std::string_view reply) override {
    revision_ = HeaderRevision(reply);
    return revision_ > 0;
  }

 private:
  int step_ = 0;
  int64_t revision_ = 0;
};

}  // namespace

std::unique_ptr<Workload> MakeWorkload(const WorkloadOptions& options) {
  if (options.name == "put") return std::make_unique<Put>(options);
  if (options.name == "range") return std::make_unique<RangeOne>(options, /*serializable=*/false);
  if (options.name == "range-serializable") return std::make_unique<RangeOne>(options, /*serializable=*/true);
  if (options.name == "txn-update") return std::make_unique<TxnUpdate>(options);
  if (options.name == "count") return std::make_unique<Count>(options);
  if (options.name == "page") return std::make_unique<Page>(options);
  if (options.name == "stream") return std::make_unique<PageStream>(options);
  if (options.name == "compact") return std::make_unique<Compact>(options);
  if (options.name == "fill") return std::make_unique<Fill>(options);
  return nullptr;
}

std::string KeyOf(const WorkloadOptions& options, uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%010llu", static_cast<unsigned long long>(number));
  return options.prefix + digits;
}

std::string RealisticValue(std::mt19937_64& random, size_t size_bytes) {
  static constexpr std::string_view kPieces[] = {
      "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"",
      "\",\"namespace\":\"default\",\"uid\":\"",
      "\",\"labels\":{\"app\":\"",
      "\",\"pod-template-hash\":\"",
      "\"},\"annotations\":{\"checksum\":\"",
      "\"}},\"spec\":{\"nodeName\":\"",
      "\",\"containers\":[{\"image\":\"",
      "\",\"resources\":{\"cpu\":\"",
  };
  std::string out;
  out.reserve(size_bytes + 64);
  for (size_t i = 0; out.size() < size_bytes; ++i) {
    out += kPieces[i % std::size(kPieces)];
    uint64_t bits[2] = {random(), random()};
    for (uint64_t word : bits) {
      for (int digit = 0; digit < 16; ++digit, word >>= 4) out += "0123456789abcdef"[word & 15];
    }
  }
  out.resize(size_bytes);
  return out;
}

}  // namespace regent::bench
