// A library for LD_PRELOAD that makes one call to the disk fail. It counts the calls that change files below
// FAIL_BELOW; call number FAIL_NTH fails as FAIL_AS says:
//
//   EIO, ENOSPC   nothing happens and the call fails
//   SHORT         a write does half of its work and says so, and the next one to that file ends with ENOSPC; other
//                 calls end with ENOSPC
//   LIE           as EIO, but a sync says that all went well: what no program can survive, for the canary
//
// A sync that fails loses what it was to make durable, as a kernel does that drops the pages: the bytes written since
// the last good sync become zeroes. Afterwards everything succeeds again: whoever repeats a sync is told OK.
//
// FAIL_REPORT is a file that gets a line "<number> <kind> <path>" for every call, and "injected <number> <kind>
// <path>".
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

template <typename Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

struct Range {
  off_t offset = 0;
  size_t bytes = 0;
};

// What happened so far. It is never destroyed: the process may end in any thread.
struct State {
  std::mutex mutex;
  std::string below = Text("FAIL_BELOW");
  std::string as = Text("FAIL_AS");
  long nth = std::atol(Text("FAIL_NTH").c_str());
  long calls = 0;
  int report = -1;
  std::map<int, std::vector<Range>> unsynced;  // by descriptor
  int full_descriptor = -1;                    // its next write finds no space

  static std::string Text(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  }
  State() {
    const std::string path = Text("FAIL_REPORT");
    const auto open_file = Real<int (*)(const char*, int, ...)>("open");
    if (!path.empty()) report = open_file(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
};

State& TheState() {
  static State* const state = new State;
  return *state;
}

std::string PathOf(int descriptor) {
  char link[64];
  char path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t bytes = readlink(link, path, sizeof path);
  return bytes > 0 ? std::string(path, static_cast<size_t>(bytes)) : "";
}

enum class Fault { kNone, kError, kHalf };

// Counts the call; sets errno when it is to fail.
Fault Count(State& state, const char* kind, const std::string& path) {
  if (state.below.empty() || path.find(state.below) == std::string::npos) return Fault::kNone;
  const long number = ++state.calls;
  const bool now = number == state.nth;
  const std::string line = (now ? "injected " : "") + std::to_string(number) + " " + kind + " " + path + "\n";
  if (state.report >= 0) {
    [[maybe_unused]] const ssize_t ignored =
        Real<ssize_t (*)(int, const void*, size_t)>("write")(state.report, line.data(), line.size());
  }
  if (!now) return Fault::kNone;
  errno = state.as == "EIO" || state.as == "LIE" ? EIO : ENOSPC;
  return state.as == "SHORT" && std::strcmp(kind, "write") == 0 ? Fault::kHalf : Fault::kError;
}

template <typename Call>
ssize_t Write(int descriptor, size_t bytes, off_t offset, Call call) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const std::string path = PathOf(descriptor);
  const Fault fault = Count(state, "write", path);
  if (state.full_descriptor == descriptor) {
    state.full_descriptor = -1;
    errno = ENOSPC;
    return -1;
  }
  if (fault == Fault::kError) return -1;
  if (fault == Fault::kHalf) {
    bytes = std::max<size_t>(1, bytes / 2);
    state.full_descriptor = descriptor;
  }
  if (offset < 0) offset = lseek(descriptor, 0, SEEK_CUR);
  const ssize_t done = call(bytes);
  if (done > 0 && offset >= 0 && path.find(state.below) != std::string::npos) {
    state.unsynced[descriptor].push_back({offset, static_cast<size_t>(done)});
  }
  return done;
}

template <typename Call>
int Sync(int descriptor, Call call) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const Fault fault = Count(state, "sync", PathOf(descriptor));
  if (fault == Fault::kNone) {
    const int result = call();
    if (result == 0) state.unsynced.erase(descriptor);
    return result;
  }
  const int error = errno;
  for (const Range& range : state.unsynced[descriptor]) {
    const std::string zeroes(range.bytes, '\0');
    const auto write_at = Real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
    [[maybe_unused]] const ssize_t ignored = write_at(descriptor, zeroes.data(), zeroes.size(), range.offset);
  }
  state.unsynced.erase(descriptor);
  errno = error;
  return state.as == "LIE" ? 0 : -1;
}

// Every other call.
template <typename Call>
auto Change(const char* kind, const std::string& path, Call call) -> decltype(call()) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  if (Count(state, kind, path) != Fault::kNone) return -1;
  return call();
}

int OpenFile(const char* name, const char* path, int flags, mode_t mode) {
  const auto call = [&] { return Real<int (*)(const char*, int, ...)>(name)(path, flags, mode); };
  // The name may be there already: then nothing is created.
  if ((flags & O_CREAT) == 0 || access(path, F_OK) == 0) return call();
  return Change("create", path, call);
}

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return OpenFile("open", path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return OpenFile("open64", path, flags, mode);
}
int close(int descriptor) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  state.unsynced.erase(descriptor);
  return Real<int (*)(int)>("close")(descriptor);
}

ssize_t write(int descriptor, const void* data, size_t bytes) {
  return Write(descriptor, bytes, -1, [&](size_t count) {
    return Real<ssize_t (*)(int, const void*, size_t)>("write")(descriptor, data, count);
  });
}

ssize_t pwrite(int descriptor, const void* data, size_t bytes, off_t offset) {
  return Write(descriptor, bytes, offset, [&](size_t count) {
    return Real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite")(descriptor, data, count, offset);
  });
}
ssize_t pwrite64(int descriptor, const void* data, size_t bytes, off_t offset) {
  return pwrite(descriptor, data, bytes, offset);
}

int fsync(int descriptor) {
  return Sync(descriptor, [&] { return Real<int (*)(int)>("fsync")(descriptor); });
}
int fdatasync(int descriptor) {
  return Sync(descriptor, [&] { return Real<int (*)(int)>("fdatasync")(descriptor); });
}

int ftruncate(int descriptor, off_t size) {
  return Change("truncate", PathOf(descriptor),
                [&] { return Real<int (*)(int, off_t)>("ftruncate")(descriptor, size); });
}
int ftruncate64(int descriptor, off_t size) { return ftruncate(descriptor, size); }

int fallocate(int descriptor, int mode, off_t offset, off_t bytes) {
  return Change("allocate", PathOf(descriptor),
                [&] { return Real<int (*)(int, int, off_t, off_t)>("fallocate")(descriptor, mode, offset, bytes); });
}
int fallocate64(int descriptor, int mode, off_t offset, off_t bytes) {
  return fallocate(descriptor, mode, offset, bytes);
}
int posix_fallocate(int descriptor, off_t offset, off_t bytes) {
  const int result = Change("allocate", PathOf(descriptor), [&] {
    return Real<int (*)(int, off_t, off_t)>("posix_fallocate")(descriptor, offset, bytes);
  });
  return result < 0 ? errno : result;
}
int posix_fallocate64(int descriptor, off_t offset, off_t bytes) { return posix_fallocate(descriptor, offset, bytes); }

int rename(const char* from, const char* to) noexcept {
  return Change("rename", to, [&] { return Real<int (*)(const char*, const char*)>("rename")(from, to); });
}
int unlink(const char* path) noexcept {
  return Change("remove", path, [&] { return Real<int (*)(const char*)>("unlink")(path); });
}
int mkdir(const char* path, mode_t mode) noexcept {
  return Change("folder", path, [&] { return Real<int (*)(const char*, mode_t)>("mkdir")(path, mode); });
}

}  // extern "C"
