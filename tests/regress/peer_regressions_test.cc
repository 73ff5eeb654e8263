// Bugs of others on the port between members. tests/regress/table says which bug each number is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "server/peer/frame.h"
#include "tests/regress/planted_bug.h"

namespace regent::server {
namespace {

// Somebody who reaches the port announces a frame of a gibibyte, and sends and sends.
TEST(PeerRegression, RK69_WhatAPeerAnnouncesIsBoundedBeforeItIsKept) {
  constexpr size_t kLimit = 1 << 20, kSent = 64 << 20;
  FrameReader reader(regress::PlantedBug() == "believe_length" ? UINT32_MAX : kLimit);
  std::string header(kFrameHeaderBytes, '\0');
  const uint32_t announced = 1 << 30;
  std::memcpy(header.data(), &announced, sizeof announced);
  bool refused = false;
  size_t held = 0;
  std::string bytes = header + std::string((1 << 20) - header.size(), 'x');
  for (size_t sent = 0; sent < kSent && !refused; sent += bytes.size()) {
    for (size_t at = 0; at < bytes.size() && !refused;) {
      const auto room = reader.Room();
      const size_t size = std::min(room.size(), bytes.size() - at);
      std::memcpy(room.data(), bytes.data() + at, size);
      reader.Filled(size);
      at += size;
      refused = !reader.Next().ok();
      held = std::max(held, reader.held_bytes());
    }
    bytes.assign(1 << 20, 'x');
  }
  EXPECT_TRUE(refused) << "a frame beyond every limit was taken in";
  EXPECT_LE(held, kLimit) << "its bytes were kept";
}

}  // namespace
}  // namespace regent::server
