// The fuzz target on conversations and their mutants: bytes changed, dropped, doubled, frames swapped, all from a fixed
// seed.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/server/rpc_h2_client.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::server {
namespace {

std::string Portion(const std::string& bytes) {
  std::string portions;
  for (size_t at = 0; at < bytes.size(); at += 0xf7) {
    const std::string piece = bytes.substr(at, 0xf7);
    portions.append(1, static_cast<char>(piece.size())).append(piece);
  }
  return portions;
}

std::string Headers(uint32_t id, const char* path, const HeaderList& more = {}) {
  return Portion(Frame(NGHTTP2_HEADERS, kEndHeaders, id, HeaderBlock(GrpcHeaders(path, more))));
}
std::string Data(uint32_t id, const std::string& message, uint8_t flags) {
  return Portion(Frame(NGHTTP2_DATA, flags, id, GrpcMessage(message)));
}

// Pieces that together are conversations.
std::vector<std::string> Pieces() {
  std::vector<std::string> pieces;
  for (uint32_t id = 1; id < 60; id += 2) {
    const char* const paths[] = {"/t.T/Echo", "/t.T/Big", "/t.T/Hold", "/t.T/Bidi", "/t.T/Nothing"};
    pieces.push_back(Headers(id, paths[id / 2 % 5], id % 3 == 0 ? HeaderList{{"grpc-timeout", "200m"}} : HeaderList{}));
    pieces.push_back(Data(id, id % 4 == 1 ? "end" : std::string(id * 10, 'd'), id % 4 == 3 ? kEndStream : uint8_t{0}));
    if (id % 5 == 0) pieces.push_back(Portion(Frame(NGHTTP2_RST_STREAM, 0, id, std::string("\0\0\0\x08", 4))));
    if (id % 7 == 0) pieces.push_back(Portion(Frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\0\1\0\0", 4))));
    if (id % 9 == 0) pieces.push_back(Portion(Frame(NGHTTP2_PING, 0, 0, "12345678")));
    if (id % 4 == 0 || id % 11 == 0) pieces.push_back(std::string(1, static_cast<char>(0xfa + id % 4)));
    if (id % 13 == 0) pieces.push_back(Portion(Frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\x7f\0\0\0", 6))));
  }
  return pieces;
}

void Converse(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(H2FuzzReplayTest, ConversationsAndTheirMutantsEndCleanly) {
  std::mt19937_64 random(20);
  const std::vector<std::string> pieces = Pieces();
  for (int round = 0; round < 1500; ++round) {
    std::string input(1, '\0');
    for (const std::string& piece : pieces) {
      if (random() % 8 != 0) input += piece;
      if (random() % 16 == 0) input += pieces[random() % pieces.size()];
      if (random() % 32 == 0) input += static_cast<char>(0xfa + random() % 6);
    }
    for (uint64_t changes = round < 300 ? 0 : random() % 4; changes > 0; --changes) {
      input[random() % input.size()] = static_cast<char>(random());
    }
    Converse(input);
  }
}

TEST(H2FuzzReplayTest, AClientThatNeverReadsEndsCleanly) {
  std::string input("\0\xfa", 2);
  for (uint32_t id = 1; id < 2000; id += 2) input += Headers(id, "/t.T/Big") + Data(id, "x", kEndStream);
  Converse(input);
  Converse(input + std::string(40, '\xfb') + '\xff');
}

}  // namespace
}  // namespace regent::server
