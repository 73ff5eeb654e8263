// crash_points --distinct N [--seed S] [--jobs J]      N distinct states, each recovered from and checked
// crash_points --canaries [--seed S] [--mutant NAME]    every planted bug, or that one, must be found by the check that
//                                                       stands for it
// crash_points --seed S --episodes 1 [--mutant NAME]   one recorded run again
//
// Jobs are processes: each records runs of its own seeds. The last line is "crash points: N passed, N failed".
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_set>
#include <vector>

#include "glog/logging.h"
#include "tests/crashpoints/enumeration.h"

namespace regent::crashpoints {
namespace {

constexpr uint64_t kCanaryStates = 6'000, kCanaryAttempts = 20;
constexpr uint64_t kShareMin = 30;          // percent of the states inside a flush or a purge
constexpr uint64_t kSharedStatesMax = 100;  // that two jobs meet: the first calls on an empty disk
constexpr uint64_t kSeedsOfAJob = 1'000'000;

struct Arguments {
  uint64_t distinct = 20'000, seed = 1, jobs = 2, episodes = UINT64_MAX, operations = 60;
  bool canaries = false;
  Mutant mutant = Mutant::kNone;
};

unsigned long long Printable(uint64_t number) { return number; }

// What a process sends to the one that started it: counters, findings, hashes.
struct Outcome {
  Counters counters;
  Findings findings;
  std::unordered_set<uint64_t> hashes;
};

void WriteNumber(std::FILE* out, uint64_t number) { CHECK_EQ(std::fwrite(&number, sizeof number, 1, out), 1u); }
void WriteText(std::FILE* out, const std::string& text) {
  WriteNumber(out, text.size());
  CHECK_EQ(std::fwrite(text.data(), 1, text.size(), out), text.size());
}
bool ReadNumber(std::FILE* in, uint64_t* number) { return std::fread(number, sizeof *number, 1, in) == 1; }
bool ReadText(std::FILE* in, std::string* text) {
  uint64_t size = 0;
  if (!ReadNumber(in, &size) || size > (1 << 20)) return false;
  text->resize(size);
  return std::fread(text->data(), 1, size, in) == size;
}

void Send(Outcome& outcome, std::FILE* out) {
  for (const auto& [name, value] : Fields(outcome.counters)) WriteNumber(out, *value);
  WriteNumber(out, outcome.findings.by_mark.size());
  for (const auto& [mark, finding] : outcome.findings.by_mark) {
    WriteText(out, mark);
    WriteNumber(out, finding.first);
    WriteText(out, finding.second);
  }
  WriteNumber(out, outcome.hashes.size());
  for (const uint64_t hash : outcome.hashes) WriteNumber(out, hash);
}

bool Receive(std::FILE* in, Outcome* outcome) {
  for (const auto& [name, value] : Fields(outcome->counters)) {
    if (!ReadNumber(in, value)) return false;
  }
  uint64_t findings = 0, hashes = 0;
  if (!ReadNumber(in, &findings)) return false;
  for (; findings > 0; --findings) {
    std::string mark;
    uint64_t count = 0;
    std::string first;
    if (!ReadText(in, &mark) || !ReadNumber(in, &count) || !ReadText(in, &first)) return false;
    outcome->findings.by_mark[mark] = {count, first};
  }
  if (!ReadNumber(in, &hashes)) return false;
  for (; hashes > 0; --hashes) {
    uint64_t hash = 0;
    if (!ReadNumber(in, &hash)) return false;
    outcome->hashes.insert(hash);
  }
  return true;
}

// Recorded runs of the seeds from `options.seed` on, until there are enough states or there is a finding.
void RunEpisodes(EpisodeOptions options, uint64_t episodes, Outcome& outcome) {
  for (uint64_t i = 0; i < episodes && outcome.hashes.size() < options.distinct_max; ++i, ++options.seed) {
    Episode(options, outcome.hashes, outcome.counters, outcome.findings).Run();
    const Findings& findings = outcome.findings;
    if (options.stop_at.empty() ? !findings.by_mark.empty() : findings.Has(options.stop_at)) break;
  }
}

// In a process of its own: a CHECK of the node may end it.
struct Job {
  pid_t process = 0;
  std::FILE* from = nullptr;
};

Job StartJob(EpisodeOptions options, uint64_t episodes) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    Outcome outcome;
    const auto send_and_end = [&outcome, end = ends[1]] {
      std::FILE* out = fdopen(end, "wb");
      Send(outcome, out);
      std::fclose(out);
      _exit(0);
    };
    options.on_stop = send_and_end;
    RunEpisodes(options, episodes, outcome);
    send_and_end();
  }
  close(ends[1]);
  return {.process = child, .from = fdopen(ends[0], "rb")};
}

// False when the process ended before its outcome was complete.
bool EndJob(const Job& job, Outcome* outcome) {
  const bool complete = Receive(job.from, outcome);
  std::fclose(job.from);
  int status = 0;
  CHECK_EQ(waitpid(job.process, &status, 0), job.process);
  return complete && status == 0;
}

void PrintFindings(const Findings& findings) {
  for (const auto& [mark, finding] : findings.by_mark) {
    std::printf("  %s, %llu times; first: %s\n", mark.c_str(), Printable(finding.first), finding.second.c_str());
  }
}

int RunStates(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  Outcome total;
  std::vector<Job> jobs;
  uint64_t failed = 0;
  for (uint64_t i = 0; i < arguments.jobs; ++i) {
    jobs.push_back(StartJob({.seed = arguments.seed + i * kSeedsOfAJob,
                             .operations = arguments.operations,
                             .mutant = arguments.mutant,
                             .distinct_max = arguments.distinct / arguments.jobs + kSharedStatesMax},
                            arguments.episodes));
  }
  for (uint64_t i = 0; i < jobs.size(); ++i) {
    Outcome outcome;
    if (!EndJob(jobs[i], &outcome)) {
      ++failed;
      std::printf("a process ended early: its seeds begin at %llu\n", Printable(arguments.seed + i * kSeedsOfAJob));
    }
    const auto sums = Fields(total.counters);
    const auto parts = Fields(outcome.counters);
    for (size_t field = 0; field < sums.size(); ++field) *sums[field].second += *parts[field].second;
    total.hashes.merge(outcome.hashes);
    failed += outcome.findings.by_mark.size();
    PrintFindings(outcome.findings);
    if (!outcome.findings.by_mark.empty()) {
      std::printf("  replay: crash_points --jobs 1 --episodes 1 --seed N, N as in \"seed N\" above\n");
    }
  }
  total.counters.distinct = total.hashes.size();
  std::printf("coverage:");
  for (const auto& [name, value] : Fields(total.counters)) {
    std::printf(" %s=%llu%s", name, Printable(*value), *value == 0 ? "(!)" : "");
    if (*value == 0 && arguments.episodes == UINT64_MAX) ++failed;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const uint64_t share = total.counters.flush_or_purge * 100 / std::max<uint64_t>(total.counters.distinct, 1);
  std::printf("\n%llu distinct states in %.0f s (%.0f a second), %llu %% of them inside a flush or a purge\n",
              Printable(total.counters.distinct), seconds, static_cast<double>(total.counters.distinct) / seconds,
              Printable(share));
  if (arguments.episodes == UINT64_MAX && (total.counters.distinct < arguments.distinct || share < kShareMin)) {
    std::printf("too few\n");
    ++failed;
  }
  std::printf("crash points: %d passed, %llu failed\n", failed == 0 ? 1 : 0, Printable(failed));
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

// A planted bug may also end the process by a CHECK of the node; when a certain check must find it, another seed may.
bool FindsMutant(const MutantFacts& facts, const Arguments& arguments) {
  for (uint64_t attempt = 0; attempt < kCanaryAttempts; ++attempt) {
    Outcome outcome;
    const Job job = StartJob({.seed = arguments.seed + attempt * kSeedsOfAJob,
                              .operations = arguments.operations,
                              .mutant = facts.mutant,
                              .stop_at = std::string(facts.found_by),
                              .distinct_max = kCanaryStates},
                             UINT64_MAX);
    const bool complete = EndJob(job, &outcome);
    const bool found =
        facts.found_by.empty() ? !complete || !outcome.findings.by_mark.empty() : outcome.findings.Has(facts.found_by);
    std::printf("%-28s %-6s %s%s\n", std::string(facts.name).c_str(), std::string(facts.found_by).c_str(),
                found ? "found" : "not found", complete ? "" : "; a CHECK of the node ended it");
    if (found) return true;
    PrintFindings(outcome.findings);
    if (complete) return false;
  }
  return false;
}

int RunCanaries(const Arguments& arguments) {
  uint64_t found = 0, missed = 0;
  for (const MutantFacts& facts : AllMutants()) {
    if (arguments.mutant != Mutant::kNone && arguments.mutant != facts.mutant) continue;
    ++(FindsMutant(facts, arguments) ? found : missed);
  }
  std::printf("crash points canaries: %llu passed, %llu failed\n", Printable(found), Printable(missed));
  return missed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int Usage() {
  std::fprintf(stderr,
               "usage: crash_points [--distinct N] [--seed S] [--jobs J] [--episodes N] [--ops N] [--mutant NAME] "
               "[--canaries]\n");
  return EXIT_FAILURE;
}

int Main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::FATAL;
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--canaries") {
      arguments.canaries = true;
      continue;
    }
    if (i + 1 == argc) return Usage();
    const std::string value = argv[++i];
    uint64_t* number = word == "--distinct"   ? &arguments.distinct
                       : word == "--seed"     ? &arguments.seed
                       : word == "--jobs"     ? &arguments.jobs
                       : word == "--episodes" ? &arguments.episodes
                       : word == "--ops"      ? &arguments.operations
                                              : nullptr;
    if (number != nullptr) {
      *number = std::strtoull(value.c_str(), nullptr, 10);
    } else if (word == "--mutant" && FindMutant(value).has_value()) {
      arguments.mutant = *FindMutant(value);
    } else {
      return Usage();
    }
  }
  return arguments.canaries ? RunCanaries(arguments) : RunStates(arguments);
}

}  // namespace
}  // namespace regent::crashpoints

int main(int argc, char** argv) { return regent::crashpoints::Main(argc, argv); }
