// What both engines promise at the seam.
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/keys.h"
#include "storage/memory_engine.h"
#ifdef REGENT_STORE_ROCKSDB
#include "storage/rocks_engine.h"
#endif

namespace regent::storage {
namespace {

// Opens the same store again and again; what was not flushed is lost in between.
struct EngineKind {
  std::string name;
  std::function<std::function<std::shared_ptr<Engine>()>()> fresh;
};

std::vector<EngineKind> Kinds() {
  std::vector<EngineKind> kinds;
  kinds.push_back({"memory", [] {
                     auto disk = std::make_shared<MemoryDisk>();
                     return [disk] { return std::make_shared<MemoryEngine>(disk); };
                   }});
#ifdef REGENT_STORE_ROCKSDB
  kinds.push_back({"rocksdb", [] {
                     const std::string folder = ::testing::TempDir() + "regent_engine_test";
                     std::filesystem::remove_all(folder);
                     return [folder] { return *OpenRocksEngine(folder, 7, RocksOptions{.memory_bytes = 8 << 20}); };
                   }});
#endif
  return kinds;
}

class EngineTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  EngineTest() : open_(GetParam().fresh()), engine_(open_()) {}
  void Crash() {
    engine_.reset();
    engine_ = open_();
  }
  void Put(const std::string& row, const std::string& value) {
    Batch batch;
    batch.Put(row, value);
    engine_->Write(batch);
  }
  std::vector<std::string> Scan(const std::string& from, const std::string& end, Scope scope = Scope::kRange) {
    std::vector<std::string> rows;
    const auto row = engine_->Iterate(end, scope);
    for (row->Seek(from); row->Valid(); row->Next()) rows.emplace_back(row->row());
    return rows;
  }
  std::string Value(const std::string& row) {
    std::string value;
    return engine_->Get(row, &value) ? value : "(none)";
  }

  std::function<std::shared_ptr<Engine>()> open_;
  std::shared_ptr<Engine> engine_;
};

TEST_P(EngineTest, ABatchIsInOrderAndTheLaterOperationWins) {
  Batch batch;
  batch.Put("a", "1");
  batch.Put("b", "1");
  batch.Delete("a");
  batch.Put("b", "2");
  batch.Delete("c");
  batch.Put("c", "3");
  engine_->Write(batch);
  EXPECT_EQ(Scan("", "z"), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(Value("b"), "2");
}

TEST_P(EngineTest, AnIteratorSeesTheRowsOfItsBeginning) {
  Put("a", "1");
  Put("c", "1");
  const auto row = engine_->Iterate("z", Scope::kRange);
  Put("b", "1");
  Put("a", "2");
  Batch batch;
  batch.Delete("c");
  engine_->Write(batch);
  std::string seen;
  for (row->Seek(""); row->Valid(); row->Next()) seen += std::string(row->row()) + std::string(row->value());
  EXPECT_EQ(seen, "a1c1");
  EXPECT_EQ(Scan("", "z"), (std::vector<std::string>{"a", "b"}));
}

TEST_P(EngineTest, TheUpperBoundIsNotSeen) {
  for (const char* row : {"a", "b", "c"}) Put(row, "");
  EXPECT_EQ(Scan("a", "c"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(Scan("c", "c").empty());
}

TEST_P(EngineTest, OneKeysVersionsAreFoundThroughTheFilters) {
  for (const bool flushed : {false, true}) {
    for (int64_t revision = 2; revision < 6; ++revision) Put(VersionRow("k", {revision, 0}), "v");
    Put(VersionRow("ka", {2, 0}), "v");
    Put(VersionRow("j", {2, 0}), "v");
    if (flushed) {
      ASSERT_TRUE(engine_->Flush().ok());
    }
    const std::string prefix = KeyPrefix("k");
    EXPECT_EQ(Scan(VersionRow("k", {4, 0}), AfterKeyPrefix(prefix), Scope::kOneKey).size(), 3u);
    EXPECT_TRUE(Scan(VersionRow("kb", {4, 0}), AfterKeyPrefix(KeyPrefix("kb")), Scope::kOneKey).empty());
    EXPECT_EQ(Scan(prefix, "w").size(), 5u);
  }
}

TEST_P(EngineTest, ACrashBringsBackWhatWasFlushed) {
  Put("a", "1");
  ASSERT_TRUE(engine_->Flush().ok());
  Put("a", "2");
  Put("b", "2");
  EXPECT_EQ(engine_->GetPersisted("a"), "1");
  EXPECT_EQ(engine_->GetPersisted("b"), std::nullopt);
  Crash();
  EXPECT_EQ(Value("a"), "1");
  EXPECT_EQ(Value("b"), "(none)");
  Batch batch;
  batch.Delete("a");
  engine_->Write(batch);
  EXPECT_EQ(engine_->GetPersisted("a"), "1");
  ASSERT_TRUE(engine_->Flush().ok());
  EXPECT_EQ(engine_->GetPersisted("a"), std::nullopt);
}

TEST_P(EngineTest, DroppedRangesTakeNothingBesideThem) {
  for (const char* row : {"e1", "e2", "e3", "v1"}) Put(row, "");
  ASSERT_TRUE(engine_->Flush().ok());
  engine_->DropRange("e1", "e3");
  const std::vector<std::string> rows = Scan("e3", "z");
  EXPECT_EQ(rows, (std::vector<std::string>{"e3", "v1"}));
}

#ifdef REGENT_STORE_ROCKSDB
TEST(RocksEngine, ACheckpointHoldsWhatWasNotFlushedYet) {
  const std::string folder = ::testing::TempDir() + "regent_checkpoint_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::shared_ptr<Engine> engine = *OpenRocksEngine(folder + "/store", 1, RocksOptions{.memory_bytes = 8 << 20});
  Batch batch;
  batch.Put("a", "1");
  engine->Write(batch);
  ASSERT_TRUE(engine->Checkpoint(folder + "/copy").ok());
  const std::shared_ptr<Engine> copy = *OpenRocksEngine(folder + "/copy", 2, RocksOptions{.memory_bytes = 8 << 20});
  std::string value;
  EXPECT_TRUE(copy->Get("a", &value));
  EXPECT_EQ(copy->generation(), 2u);
}

TEST(RocksEngine, ItWritesNoLogOfItsOwn) {
  const std::string folder = ::testing::TempDir() + "regent_no_log_test";
  std::filesystem::remove_all(folder);
  { const std::shared_ptr<Engine> engine = *OpenRocksEngine(folder, 1, RocksOptions{.memory_bytes = 8 << 20}); }
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    EXPECT_FALSE(file.path().filename().string().starts_with("LOG")) << file.path();
  }
}

// A loss of power in the middle of a write to the MANIFEST: its length is there, a part of its bytes is not.
TEST(RocksEngine, ATornEndOfTheManifestIsNoCorruption) {
  const std::string folder = ::testing::TempDir() + "regent_manifest_test";
  std::filesystem::remove_all(folder);
  const RocksOptions options{.memory_bytes = 8 << 20};
  std::shared_ptr<Engine> engine = *OpenRocksEngine(folder, 1, options);
  const auto put_and_flush = [&](const std::string& row) {
    Batch batch;
    batch.Put(row, "1");
    engine->Write(batch);
    ASSERT_TRUE(engine->Flush().ok());
  };
  put_and_flush("a");
  std::string name;
  std::ifstream(folder + "/CURRENT") >> name;
  const std::string path = folder + "/" + name;
  const auto before = std::filesystem::file_size(path);
  put_and_flush("b");
  engine = nullptr;
  ASSERT_GT(std::filesystem::file_size(path), before + 20);
  std::fstream manifest(path, std::ios::in | std::ios::out | std::ios::binary);
  manifest.seekp(static_cast<std::streamoff>(before) + 12);
  manifest.write("\0\0\0\0\0\0\0\0", 8);
  manifest.close();

  engine = *OpenRocksEngine(folder, 1, options);
  std::string value;
  EXPECT_TRUE(engine->Get("a", &value));
  EXPECT_FALSE(engine->Get("b", &value)) << "its flush is not in the manifest any more";
  put_and_flush("b");
  engine = nullptr;
  engine = *OpenRocksEngine(folder, 1, options);
  EXPECT_TRUE(engine->Get("b", &value));
}

TEST(RocksEngine, AManifestWithNothingReadableIsRefused) {
  const std::string folder = ::testing::TempDir() + "regent_manifest_test";
  std::filesystem::remove_all(folder);
  const RocksOptions options{.memory_bytes = 8 << 20};
  std::shared_ptr<Engine> engine = *OpenRocksEngine(folder, 1, options);
  Batch batch;
  batch.Put("a", "1");
  engine->Write(batch);
  ASSERT_TRUE(engine->Flush().ok());
  engine = nullptr;
  std::string name;
  std::ifstream(folder + "/CURRENT") >> name;
  std::fstream manifest(folder + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
  manifest.seekp(9);  // in the first record: nothing readable is before it
  manifest.write("\xff\xff\xff\xff", 4);
  manifest.close();
  EXPECT_TRUE(absl::IsDataLoss(OpenRocksEngine(folder, 1, options).status()));
}
#endif

INSTANTIATE_TEST_SUITE_P(Engines, EngineTest, ::testing::ValuesIn(Kinds()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace regent::storage
