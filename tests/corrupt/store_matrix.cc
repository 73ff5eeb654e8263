// The files of a real RocksDB store: every byte changed, every sector zeroed, cut off, missing. A process of its own
// opens each damaged copy, because the store ends the process that reads a bad block. RK-62 is this test.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "glog/logging.h"
#include "storage/keys.h"
#include "storage/rocks_engine.h"
#include "tests/corrupt/matrix.h"

namespace regent::testing {
namespace {

namespace fs = std::filesystem;
using Rows = std::map<std::string, std::string>;

constexpr uint64_t kSectorBytes = 512;
constexpr size_t kStates = 3;
constexpr unsigned kSecondsMax = 60;

constexpr char kChanged[] = "one byte changed";
constexpr char kZeroed[] = "one sector zeroed";
constexpr char kCut[] = "cut off";
constexpr char kMissing[] = "missing";

constexpr char kSame[] = "harmless: every row is there";
constexpr char kOlder[] =
    "an older flushed state: the log behind it is replayed, or the node stops because it begins later";
constexpr char kNotOpened[] = "stops: the store cannot be opened";
constexpr char kNotRead[] = "stops: the store cannot be read";
constexpr char kAssertion[] = "stops: an assertion of RocksDB fails";

// What a process that looked at a store ends with.
enum Exit : int { kFoundState = 10, kRefused = 20, kWrongRows = 30 };

storage::RocksOptions StoreOptions(storage::RocksMutant mutant) {
  return {.memory_bytes = 4 << 20, .background_threads = 1, .unsafe_no_sync = true, .mutant = mutant};
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// The rows after each flush: keys with a few versions, one of them with a value so large that it lies in a file of
// its own, and a row that is written anew each time.
std::vector<Rows> MakeStates() {
  std::mt19937_64 random(11);
  std::vector<Rows> states;
  Rows rows;
  for (size_t state = 1; state <= kStates; ++state) {
    for (int i = 0; i < 40; ++i) {
      const std::string key = "/registry/pods/" + std::to_string(random() % 60);
      std::string value(i == 0 ? storage::kBlobBytesMin + 100 : 40 + random() % 200, '\0');
      for (char& byte : value) byte = static_cast<char>(random());
      const storage::Position position{static_cast<int64_t>(state * 1000) + i, 0};
      rows[storage::VersionRow(key, position)] = value;
      rows[storage::EventRow(position)] = key;
    }
    rows[std::string(storage::kCountersRow)] = "state " + std::to_string(state);
    states.push_back(rows);
  }
  return states;
}

// In a process of its own, so that this one has none of the store's threads.
int RunApart(const fs::path& words, const std::function<int()>& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    const int file = ::open(words.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::alarm(kSecondsMax);
    ::_exit(work());
  }
  int status = 0;
  CHECK_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void MakeStore(const std::string& folder, const std::vector<Rows>& states) {
  const auto engine = storage::OpenRocksEngine(folder, 1, StoreOptions(storage::RocksMutant::kNone));
  CHECK(engine.ok()) << engine.status();
  Rows written;
  for (const Rows& state : states) {
    storage::Batch batch;
    for (const auto& [row, value] : state) {
      if (const auto had = written.find(row); had == written.end() || had->second != value) batch.Put(row, value);
    }
    (*engine)->Write(batch);
    CHECK((*engine)->Flush().ok());
    written = state;
  }
}

Rows ReadAll(const storage::Engine& engine) {
  Rows rows;
  const auto iterator = engine.Iterate("\xff", storage::Scope::kAll);
  for (iterator->Seek(""); iterator->Valid(); iterator->Next()) rows.emplace(iterator->row(), iterator->value());
  return rows;
}

// Point reads and reads of one key, which ask the filters, see what the scan has seen.
bool PointReadsAgree(const storage::Engine& engine, const Rows& rows) {
  for (const auto& [row, value] : rows) {
    std::string got;
    if (!engine.Get(row, &got) || got != value) return false;
    if (row[0] != storage::kVersionRows) continue;
    const std::string prefix(storage::PrefixOfVersionRow(row));
    const auto iterator = engine.Iterate(storage::AfterKeyPrefix(prefix), storage::Scope::kOneKey);
    iterator->Seek(row);
    if (!iterator->Valid() || iterator->row() != row || iterator->value() != value) return false;
  }
  return true;
}

int LookAt(const std::string& folder, const std::vector<Rows>& states, storage::RocksMutant mutant) {
  const auto engine = storage::OpenRocksEngine(folder, 1, StoreOptions(mutant));
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().ToString().c_str()), kRefused;
  const Rows rows = ReadAll(**engine);
  if (rows.empty()) return kFoundState;
  const auto state = std::find(states.begin(), states.end(), rows);
  if (state == states.end() || !PointReadsAgree(**engine, rows)) return kWrongRows;
  return kFoundState + static_cast<int>(state - states.begin()) + 1;
}

class StoreDamage {
 public:
  StoreDamage(const std::string& folder, storage::RocksMutant mutant)
      : root_(folder), copy_(root_ / "copy"), states_(MakeStates()), mutant_(mutant) {
    fs::remove_all(root_);
    fs::create_directories(root_);
    CHECK_EQ(RunApart(root_ / "words", [this] { return MakeStore(root_ / "store", states_), 0; }), 0);
    for (const auto& entry : fs::directory_iterator(root_ / "store")) {
      const std::string name = entry.path().filename();
      files_[name] = ReadFile(entry.path());
    }
  }
  ~StoreDamage() { fs::remove_all(root_); }

  const std::map<std::string, std::string>& files() const { return files_; }

  // Opens a copy in which this file has this content; nullptr: is missing.
  int OpenWith(const std::string& damaged, const std::string* content) {
    fs::remove_all(copy_);
    fs::create_directories(copy_);
    for (const auto& [name, good] : files_) {
      // The store replaces its files, it never changes them in place: links are enough for the good ones.
      if (name != damaged) fs::create_hard_link(root_ / "store" / name, copy_ / name);
    }
    if (content != nullptr) WriteFile(copy_ / damaged, *content);
    ++opens_;
    return RunApart(root_ / "words", [this] { return LookAt(copy_, states_, mutant_); });
  }

  // What a start made of it; adds it to the table.
  void Judge(const std::string& name, const std::string& where, const char* column, int result, OutcomeTable& table) {
    const std::string region = RegionOf(name);
    const bool names_states = region.starts_with("MANIFEST") || region.starts_with("CURRENT");
    const std::string words = ReadFile(root_ / "words");
    if (result == kFoundState + static_cast<int>(kStates)) return table.Add(region, column, kSame);
    if (result >= kFoundState && result < kFoundState + static_cast<int>(kStates) && names_states) {
      return table.Add(region, column, kOlder);
    }
    if (result == kRefused && words.find("cannot be opened") != std::string::npos) {
      return table.Add(region, column, kNotOpened);
    }
    if (result < 0 && words.find("the store cannot be read") != std::string::npos) {
      return table.Add(region, column, kNotRead);
    }
    if (result == -SIGABRT && words.find("Assertion `") != std::string::npos) {
      return table.Add(region, column, kAssertion);
    }
    table.AddSilent(name + " " + where, "ended with " + std::to_string(result) + ": " + words.substr(0, 200));
  }

  uint64_t opens() const { return opens_; }

 private:
  static std::string RegionOf(const std::string& name) {
    if (name.ends_with(".sst")) return "table files (.sst)";
    if (name.ends_with(".blob")) return "large values (.blob)";
    if (name.starts_with("MANIFEST")) return "MANIFEST";
    if (name.starts_with("OPTIONS")) return "OPTIONS";
    if (name.ends_with(".log")) return "the empty write-ahead log (.log)";
    return name;
  }

  const fs::path root_;
  const fs::path copy_;
  const std::vector<Rows> states_;
  const storage::RocksMutant mutant_;
  std::map<std::string, std::string> files_;
  uint64_t opens_ = 0;
};

void ChangeBytes(StoreDamage& store, const std::string& name, const MatrixOptions& options, OutcomeTable& table) {
  const std::string& good = store.files().at(name);
  const bool few = name.starts_with("OPTIONS") || name.ends_with(".sst");
  const uint64_t step = few ? options.stride : 1;
  for (int pattern = 0; pattern < (few ? 1 : options.patterns); ++pattern) {
    for (uint64_t offset = options.seed % step; offset < good.size(); offset += step) {
      std::string content = good;
      content[offset] = Flip(content[offset], offset, pattern);
      if (content[offset] == good[offset]) continue;
      store.Judge(name, "at " + std::to_string(offset), kChanged, store.OpenWith(name, &content), table);
    }
  }
}

void DamageRest(StoreDamage& store, const std::string& name, OutcomeTable& table) {
  const std::string& good = store.files().at(name);
  for (uint64_t offset = 0; offset < good.size(); offset += kSectorBytes) {
    std::string content = good;
    const uint64_t bytes = std::min<uint64_t>(kSectorBytes, good.size() - offset);
    content.replace(offset, bytes, bytes, '\0');
    store.Judge(name, "zeroed at " + std::to_string(offset), kZeroed, store.OpenWith(name, &content), table);
  }
  // At every length near the end, where a crash cuts, and at every sector.
  for (uint64_t bytes = 0; bytes < good.size(); ++bytes) {
    if (bytes % kSectorBytes != 0 && bytes + 24 < good.size()) continue;
    const std::string content = good.substr(0, bytes);
    store.Judge(name, "cut at " + std::to_string(bytes), kCut, store.OpenWith(name, &content), table);
  }
  store.Judge(name, "missing", kMissing, store.OpenWith(name, nullptr), table);
}

// A store that does not look at checksums must be found out, in each kind of file that holds data.
bool FindsPlantedBug(const MatrixOptions& options, std::string_view kind) {
  StoreDamage store(options.folder, storage::RocksMutant::kBlocksUnchecked);
  OutcomeTable table("planted bug, no checksums in files " + std::string(kind), {kChanged});
  for (const auto& [name, content] : store.files()) {
    if (!name.ends_with(kind)) continue;
    MatrixOptions coarse = options;
    coarse.stride = content.size() / 60;
    ChangeBytes(store, name, coarse, table);
    if (table.silent() > 0) break;
  }
  std::printf("planted bug, no checksums in files %s: %llu silent places found\n", std::string(kind).c_str(),
              static_cast<unsigned long long>(table.silent()));
  return table.silent() > 0;
}

}  // namespace

bool StoreMatrix(const MatrixOptions& options) {
  CHECK(!options.folder.empty()) << "--folder is missing";
  OutcomeTable table("store", {kChanged, kZeroed, kCut, kMissing});
  bool right = true;
  {
    StoreDamage store(options.folder, storage::RocksMutant::kNone);
    uint64_t bytes = 0;
    for (const auto& [name, content] : store.files()) {
      std::printf("%s: %zu bytes\n", name.c_str(), content.size());
      bytes += content.size();
      ChangeBytes(store, name, options, table);
      DamageRest(store, name, table);
    }
    right = table.CountOf(kNotOpened) > 50 && table.CountOf(kNotRead) > 50 && store.opens() == table.places();
    if (!right) std::printf("FAILED: the matrix is not what it claims to be\n");
  }
  // RocksDB's files are others in each run, and the rarest outcomes do not come in every one.
  const auto use = options.page_use == OutcomeTable::Page::kCompare ? OutcomeTable::Page::kPartOf : options.page_use;
  right &= table.Close(options.page, use);
  const bool found = FindsPlantedBug(options, ".sst") && FindsPlantedBug(options, ".blob");
  return found && right;
}

}  // namespace regent::testing
