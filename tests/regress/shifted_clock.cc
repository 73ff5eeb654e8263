// Preloaded into a server: its wall clock is off by as many seconds as the file SHIFT_FILE says, eight bytes that may
// change at any moment. The monotonic clock stays as it is, unless SHIFT_MONOTONIC is set: then the process lives as if
// it had used the wall clock for everything, which is the planted bug.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

const volatile int64_t* MapShift() {
  const char* path = std::getenv("SHIFT_FILE");
  const int file = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) _exit(97);
  void* const memory = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) _exit(98);
  return static_cast<const volatile int64_t*>(memory);
}

int64_t Shift() {
  static const volatile int64_t* const shift = MapShift();
  return *shift;
}

bool Shifts(clockid_t clock) {
  static const bool monotonic_too = std::getenv("SHIFT_MONOTONIC") != nullptr;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) return true;
  return monotonic_too && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  using Function = int (*)(clockid_t, timespec*);
  static const Function real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, time);
  if (result == 0 && Shifts(clock)) time->tv_sec += Shift();
  return result;
}

extern "C" int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

extern "C" time_t time(time_t* seconds) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != nullptr) *seconds = now.tv_sec;
  return now.tv_sec;
}
