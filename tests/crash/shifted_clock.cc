// The wall clock of a process, put forward: preloaded into the server, which then lives some days
// later than it is (FERRES_CLOCK_SHIFT_SECONDS). What measures durations is as it was. For tests of
// what is kept for days.
#include <cstdlib>
#include <ctime>

#include <dlfcn.h>

extern "C" int clock_gettime(clockid_t clock, timespec* time) {
  using Function = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "clock_gettime"));
  static const char* const shift = std::getenv("FERRES_CLOCK_SHIFT_SECONDS");
  const int status = real(clock, time);
  if (status == 0 && clock == CLOCK_REALTIME && shift != nullptr) time->tv_sec += std::atol(shift);
  return status;
}
