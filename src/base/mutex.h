// Mutex and condition variable that Clang's thread-safety analysis can see (clang-tidy runs it; g++
// ignores the annotations). The only home of std::mutex.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define FERRES_TSA(x) __attribute__((x))
#else
#define FERRES_TSA(x)
#endif
#define CAPABILITY(x) FERRES_TSA(capability(x))
#define SCOPED_CAPABILITY FERRES_TSA(scoped_lockable)
#define GUARDED_BY(x) FERRES_TSA(guarded_by(x))
#define REQUIRES(...) FERRES_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) FERRES_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) FERRES_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) FERRES_TSA(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS FERRES_TSA(no_thread_safety_analysis)

namespace ferres {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waits on a Mutex that the caller holds. Call in a loop: wake-ups may be spurious.
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex) { cv_.wait(mutex); }
  /// Returns false when micros passed without a signal.
  bool wait_for(Mutex& mutex, uint64_t micros) REQUIRES(mutex) {
    return cv_.wait_for(mutex, std::chrono::microseconds(micros)) == std::cv_status::no_timeout;
  }
  void signal() { cv_.notify_one(); }
  void signal_all() { cv_.notify_all(); }

 private:
  std::condition_variable_any cv_;
};

}  // namespace ferres
