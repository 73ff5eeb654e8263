// Any bytes as any request: no crash, and the protobuf library reads the same out of them.
//
// The first byte chooses the kind of request.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/contract/validate.h"
#include "api/service/decode.h"
#include "tests/api/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool compared = false;
  const std::string difference = regent::api::CompareDecoders(data[0] % regent::api::kRequestKinds, bytes, &compared);
  if (!difference.empty()) {
    std::fprintf(stderr, "%s\n", difference.c_str());
    std::abort();
  }
  regent::api::TxnRequest txn;
  if (regent::api::Decode(bytes, 128, txn).ok()) (void)regent::api::Validate(txn, 128);
  return 0;
}
