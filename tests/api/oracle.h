// The protobuf library as the second opinion on our decoders.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "google/protobuf/message.h"

namespace regent::api {

// The requests that have a decoder, by number from 0 on.
inline constexpr int kRequestKinds = 14;

// An empty message of a kind.
std::unique_ptr<google::protobuf::Message> NewRequest(int kind);

// Decodes `bytes` with our decoder and with the library. "" when they agree, or when the bytes have a varint that is
// longer than its value needs to be allowed (the library cuts such off, we refuse them as Go does); otherwise a text
// that shows both. `both_accept` tells whether there was anything to compare.
std::string CompareDecoders(int kind, std::string_view bytes, bool* both_accept);

// The same with other bytes for the library: for the canary, which must be told of a difference.
std::string CompareDecoders(int kind, std::string_view bytes, std::string_view bytes_of_library, bool* both_accept);

// A message with random fields set, including enum numbers that do not exist and values at the edges.
void FillAtRandom(google::protobuf::Message& message, std::mt19937_64& random, int depth = 3);

}  // namespace regent::api
