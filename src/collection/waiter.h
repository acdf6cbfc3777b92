// Lets a caller wait for a callback, driving the executor when it is the caller's to drive. Private
// to src/collection.
#pragma once
#include <functional>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/status.h"

namespace ferres {

template <class T>
class Waiter {
 public:
  explicit Waiter(Executor& executor) : executor_(executor) {}
  /// To be called once, while this object lives.
  std::function<void(Result<T>)> callback() {
    return [this](Result<T> result) {
      const MutexLock lock(mutex_);
      result_.emplace(std::move(result));
      changed_.signal_all();
    };
  }
  Result<T> wait() {
    for (;;) {
      {
        const MutexLock lock(mutex_);
        if (result_) return std::move(*result_);
      }
      if (executor_.run_one()) continue;
      const MutexLock lock(mutex_);
      while (!result_)
        changed_.wait(mutex_);
    }
  }

 private:
  Executor& executor_;
  Mutex mutex_;
  CondVar changed_;
  std::optional<Result<T>> result_ GUARDED_BY(mutex_);
};

}  // namespace ferres
