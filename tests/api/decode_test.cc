#include "api/service/decode.h"

#include <random>
#include <string>

#include "api/contract/errors.h"
#include "api/contract/proto/range.pb.h"
#include "gtest/gtest.h"
#include "tests/api/oracle.h"

namespace regent::api {
namespace {

TEST(Decode, AgreesWithTheProtobufLibraryOnRandomMessages) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 60'000; ++i) {
    const int kind = i % kRequestKinds;
    auto message = NewRequest(kind);
    FillAtRandom(*message, random);
    bool compared = false;
    ASSERT_EQ(CompareDecoders(kind, message->SerializeAsString(), &compared), "") << "seed 1, message " << i;
    ASSERT_TRUE(compared) << "seed 1, message " << i;
  }
}

// Two messages behind each other are one message with merged fields: the library's rules for repeated scalars, messages
// and oneofs.
TEST(Decode, MergesWhatIsGivenTwiceAsTheLibraryDoes) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 40'000; ++i) {
    const int kind = i % kRequestKinds;
    std::string bytes;
    for (uint64_t n = random() % 3 + 1; n > 0; --n) {
      auto message = NewRequest(kind);
      FillAtRandom(*message, random, 2);
      bytes += message->SerializeAsString();
    }
    bool compared = false;
    ASSERT_EQ(CompareDecoders(kind, bytes, &compared), "") << "seed 2, message " << i;
    ASSERT_TRUE(compared);
  }
}

TEST(Decode, AgreesWithTheLibraryOnDamagedMessages) {
  std::mt19937_64 random(3);
  int accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    const int kind = i % kRequestKinds;
    auto message = NewRequest(kind);
    FillAtRandom(*message, random);
    std::string bytes = message->SerializeAsString();
    for (uint64_t n = random() % 4; n > 0 && !bytes.empty(); --n) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 4);
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        case 3:
          bytes.resize(at);
          break;
      }
    }
    bool compared = false;
    ASSERT_EQ(CompareDecoders(kind, bytes, &compared), "") << "seed 3, message " << i;
    accepted += compared ? 1 : 0;
  }
  EXPECT_GT(accepted, 10'000);
  EXPECT_LT(accepted, 90'000);
}

// The canary: a decoder that loses or changes one field of a message must be noticed. The fault is planted in what the
// library is given.
TEST(Decode, TheComparisonNoticesAFieldThatIsReadWrongly) {
  std::mt19937_64 random(5);
  int planted = 0;
  int noticed = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int kind = i % kRequestKinds;
    auto message = NewRequest(kind);
    FillAtRandom(*message, random, 2);
    const std::string bytes = message->SerializeAsString();
    std::vector<const google::protobuf::FieldDescriptor*> present;
    message->GetReflection()->ListFields(*message, &present);
    if (present.empty()) continue;
    message->GetReflection()->ClearField(message.get(), present[random() % present.size()]);
    bool compared = false;
    ++planted;
    noticed += CompareDecoders(kind, bytes, message->SerializeAsString(), &compared) == "" ? 0 : 1;
  }
  // What may go unnoticed: a field that was set to a filter that filters nothing.
  EXPECT_GT(planted, 10'000);
  EXPECT_GT(noticed, planted * 98 / 100) << "of " << planted;
}

TEST(Decode, BytesThatAreNoMessageAreMalformed) {
  RangeRequest request;
  const std::string inputs[] = {std::string("\x0a", 1),
                                std::string("\x0a\x05"
                                            "abc"),
                                std::string("\x00\x00", 2),
                                std::string("\x18\xff"),
                                std::string("\x18") + std::string(10, '\xff') + "\x01",
                                std::string("\x0c"),
                                std::string("\x0b\x08\x01")};
  for (const std::string& input : inputs) EXPECT_EQ(Decode(input, request), ErrMalformedRequest()) << input.size();
}

TEST(Decode, UnknownFieldsAndGroupsAreSkipped) {
  PutRequest request;
  const std::string bytes = std::string("\xfa\x3e\x01z", 4) + std::string("\x0b\x13\x08\x07\x14\x0c", 6) + "\x0a\x01k";
  ASSERT_TRUE(Decode(bytes, request).ok());
  EXPECT_EQ(request.key, "k");
}

TEST(Decode, AStringThatIsNotUtf8IsRefused) {
  HealthCheckRequest request;
  EXPECT_EQ(Decode("\x0a\x01\xff", request), ErrMalformedText());
}

// A compare of the wire judged as etcd judges it.
bool HoldsInEtcd(const etcdserverpb::Compare& compare, bool exists, int64_t number, const std::string& value) {
  if (!exists && compare.target() == etcdserverpb::Compare::VALUE) return false;
  const auto sign = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
  int order = 0;
  switch (compare.target()) {
    case etcdserverpb::Compare::VERSION:
      order = sign(number, compare.version());
      break;
    case etcdserverpb::Compare::CREATE:
      order = sign(number, compare.create_revision());
      break;
    case etcdserverpb::Compare::MOD:
      order = sign(number, compare.mod_revision());
      break;
    case etcdserverpb::Compare::VALUE:
      order = sign(value, compare.value());
      break;
    case etcdserverpb::Compare::LEASE:
      order = sign(number, compare.lease());
      break;
    default:
      break;
  }
  switch (compare.result()) {
    case etcdserverpb::Compare::EQUAL:
      return order == 0;
    case etcdserverpb::Compare::NOT_EQUAL:
      return order != 0;
    case etcdserverpb::Compare::GREATER:
      return order > 0;
    case etcdserverpb::Compare::LESS:
      return order < 0;
    default:
      return true;
  }
}

// Our plain form judged as apply judges it.
bool HoldsHere(const Compare& compare, bool exists, int64_t number, const std::string& value) {
  if (!exists && compare.target == Compare::Target::kValue) return false;
  const auto order = compare.target == Compare::Target::kValue ? value <=> compare.value : number <=> compare.number;
  switch (compare.result) {
    case Compare::Result::kEqual:
      return order == 0;
    case Compare::Result::kNotEqual:
      return order != 0;
    case Compare::Result::kGreater:
      return order > 0;
    case Compare::Result::kLess:
      return order < 0;
  }
  return false;
}

TEST(Decode, ACompareHoldsExactlyWhenItHoldsInEtcdWhateverItsNumbers) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 50'000; ++i) {
    etcdserverpb::TxnRequest txn;
    etcdserverpb::Compare& compare = *txn.add_compare();
    FillAtRandom(compare, random);
    TxnRequest ours;
    ASSERT_TRUE(Decode(txn.SerializeAsString(), 1, ours).ok());
    const bool exists = random() % 2 == 0;
    // The number that the target reads: version and revisions of a key that exists are at least 1, its lease may be 0.
    const int64_t number = exists ? static_cast<int64_t>(random() % 3) + 1 : 0;
    const std::string value = exists ? std::string(random() % 2, 'a') : "";
    ASSERT_EQ(HoldsHere(ours.compare[0], exists, number, value), HoldsInEtcd(compare, exists, number, value))
        << compare.ShortDebugString() << " seed 4, compare " << i;
  }
}

TEST(Decode, ATransactionLongerThanAllowedIsRefusedWhileItIsRead) {
  etcdserverpb::TxnRequest txn;
  for (int i = 0; i < 3; ++i) txn.add_success()->mutable_request_put()->set_key("k");
  TxnRequest out;
  EXPECT_EQ(Decode(txn.SerializeAsString(), 2, out), ErrTooManyOps());
  TxnRequest fits;
  EXPECT_TRUE(Decode(txn.SerializeAsString(), 3, fits).ok());
}

TEST(Decode, ADeeplyNestedTransactionIsRefusedAndDoesNotExhaustTheStack) {
  std::string bytes;
  for (int i = 0; i < 5'000; ++i) {
    etcdserverpb::RequestOp op;
    std::string nested;
    // RequestOp{request_txn = bytes} in TxnRequest.success
    const auto wrap = [](char tag, const std::string& inner) {
      std::string out(1, tag);
      for (size_t size = inner.size();; size >>= 7) {
        if (size < 0x80) {
          out.push_back(static_cast<char>(size));
          break;
        }
        out.push_back(static_cast<char>(size | 0x80));
      }
      return out + inner;
    };
    bytes = wrap('\x12', wrap('\x22', bytes));
  }
  TxnRequest out;
  EXPECT_EQ(Decode(bytes, 100'000, out), ErrTooManyOps());
}

}  // namespace
}  // namespace regent::api
