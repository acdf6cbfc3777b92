// The real executor: a fixed set of threads over one queue. One mutex guards everything; at the
// request rates of one machine it is not the bottleneck, and work stealing would only hide the
// order in which things run.
//
// Delayed tasks lie in a heap. Of the idle workers one, the timekeeper, sleeps until the earliest
// of them is due, the others until they are signalled; when the timekeeper leaves to run a task it
// wakes another idle worker to take over.
//
// parallel_for puts a Job, which lives on the caller's stack, into a list that free workers look at
// before the queue (it is part of work already begun). Caller and helpers claim indexes from an
// atomic counter; when it runs out the caller unlists the job and waits for helpers that are still
// inside. Nobody waits for a worker that has not begun, so nesting and a fully busy pool cannot
// deadlock, and nothing is allocated.
#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"

namespace ferres {
namespace {

class ThreadPool : public Executor {
 public:
  explicit ThreadPool(size_t threads) {
    threads_.reserve(std::max<size_t>(threads, 1));
    for (size_t i = 0; i < std::max<size_t>(threads, 1); i++) {
      threads_.emplace_back([this] { run_worker(); });
    }
  }

  ~ThreadPool() override {
    std::vector<Delayed> dropped;
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      dropped.swap(delayed_);
      wake_.signal_all();
    }
    for (std::thread& thread : threads_)
      thread.join();
  }

  void submit(std::function<void()> task) override {
    const MutexLock lock(mutex_);
    queue_.push_back(std::move(task));
    if (idle_ > 0) wake_.signal();
  }

  void submit_after(uint64_t delay_micros, std::function<void()> task) override {
    const uint64_t due = system_clock().monotonic_nanos() + delay_micros * 1000;
    const MutexLock lock(mutex_);
    if (stopping_) return;
    delayed_.push_back({due, order_++, std::move(task)});
    std::push_heap(delayed_.begin(), delayed_.end());
    // The timekeeper may be asleep for longer than this; which of the idle workers it is, the
    // condition does not know.
    if (delayed_.front().due_nanos == due) wake_.signal_all();
  }

  size_t workers() const override { return threads_.size(); }

  void parallel_for(size_t count, const std::function<void(size_t)>& body) override {
    if (count <= 1) {
      if (count == 1) body(0);
      return;
    }
    Job job{body, count};
    {
      const MutexLock lock(mutex_);
      jobs_.push_back(&job);
      for (size_t i = std::min(count - 1, idle_); i > 0; i--)
        wake_.signal();
    }
    job.run();
    const MutexLock lock(mutex_);
    unlist(job);
    while (job.helpers > 0)
      helped_.wait(mutex_);
  }

 private:
  struct Delayed {
    uint64_t due_nanos;
    uint64_t order;  // first in, first out among equals
    std::function<void()> task;
    bool operator<(const Delayed& other) const {
      return std::pair(due_nanos, order) > std::pair(other.due_nanos, other.order);
    }
  };

  struct Job {
    const std::function<void(size_t)>& body;
    const size_t count;
    std::atomic<size_t> next{0};
    size_t helpers = 0;  // under the pool's mutex

    void run() {
      for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1))
        body(i);
    }
  };

  void run_worker() NO_THREAD_SAFETY_ANALYSIS {
    mutex_.lock();
    while (true) {
      collect_due();
      if (!jobs_.empty()) {
        help(*jobs_.front());
      } else if (!queue_.empty()) {
        std::function<void()> task = std::move(queue_.front());
        queue_.pop_front();
        mutex_.unlock();
        task();
        task = nullptr;  // what it captured must not be destroyed under the mutex
        mutex_.lock();
      } else if (stopping_) {
        break;
      } else {
        sleep();
      }
    }
    mutex_.unlock();
  }

  /// Moves delayed tasks whose time has come to the queue.
  void collect_due() REQUIRES(mutex_) {
    if (delayed_.empty()) return;
    const uint64_t now = system_clock().monotonic_nanos();
    while (!delayed_.empty() && delayed_.front().due_nanos <= now) {
      std::pop_heap(delayed_.begin(), delayed_.end());
      queue_.push_back(std::move(delayed_.back().task));
      delayed_.pop_back();
      if (idle_ > 0) wake_.signal();
    }
  }

  void sleep() REQUIRES(mutex_) {
    idle_++;
    if (delayed_.empty() || timekeeper_) {
      wake_.wait(mutex_);
    } else {
      timekeeper_ = true;
      const uint64_t now = system_clock().monotonic_nanos();
      const uint64_t due = delayed_.front().due_nanos;
      wake_.wait_for(mutex_, due > now ? (due - now) / 1000 + 1 : 0);
      timekeeper_ = false;
      if (!delayed_.empty() && idle_ > 1) wake_.signal();
    }
    idle_--;
  }

  void help(Job& job) NO_THREAD_SAFETY_ANALYSIS {
    job.helpers++;
    mutex_.unlock();
    job.run();
    mutex_.lock();
    unlist(job);
    if (--job.helpers == 0) helped_.signal_all();
  }

  void unlist(const Job& job) REQUIRES(mutex_) {
    jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), &job), jobs_.end());
  }

  Mutex mutex_;
  CondVar wake_;    // something to do, or to wait for
  CondVar helped_;  // a helper left a job
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  std::vector<Delayed> delayed_ GUARDED_BY(mutex_);  // heap, earliest first
  std::vector<Job*> jobs_ GUARDED_BY(mutex_);        // that still have indexes to claim, perhaps
  uint64_t order_ GUARDED_BY(mutex_) = 0;
  size_t idle_ GUARDED_BY(mutex_) = 0;
  bool timekeeper_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace

std::unique_ptr<Executor> make_thread_pool(size_t threads) {
  return std::make_unique<ThreadPool>(threads);
}

}  // namespace ferres
