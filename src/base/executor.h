// Where work runs. ThreadPool is the real one; ManualExecutor runs tasks on the caller's thread, in
// an order drawn from a seed, so that a test can replay a whole database single-threaded. The only
// home of std::thread. Tasks must not block on other tasks (parallel_for is safe: the caller works
// too).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace ferres {

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void submit(std::function<void()> task) = 0;
  /// Runs task after delay_micros, at the earliest. Dropped when the executor is destroyed before.
  virtual void submit_after(uint64_t delay_micros, std::function<void()> task) = 0;
  /// Threads that run tasks; at least 1.
  virtual size_t workers() const = 0;
  /// Calls body(0) .. body(count - 1), spread over the caller's thread and free workers, and
  /// returns when all calls have returned. body must be thread-safe.
  virtual void parallel_for(size_t count, const std::function<void(size_t)>& body) = 0;
  /// For callers that wait for a task: an executor driven by its caller runs one ready task here
  /// and says true; one with threads of its own says false, and the caller may block.
  virtual bool run_one() { return false; }
};

/// Destroying it waits for running and queued tasks; delayed ones are dropped.
std::unique_ptr<Executor> make_thread_pool(size_t threads);

class ManualExecutor : public Executor {
 public:
  explicit ManualExecutor(uint64_t seed);
  ~ManualExecutor() override;
  void submit(std::function<void()> task) override;
  void submit_after(uint64_t delay_micros, std::function<void()> task) override;
  size_t workers() const override { return 1; }
  void parallel_for(size_t count, const std::function<void(size_t)>& body) override;
  /// Runs one ready task chosen by the seed; false when none is ready.
  bool run_one() override;
  /// Runs until no task is ready.
  void run_all();
  /// Moves the executor's time; delayed tasks whose time has come become ready.
  void advance_micros(uint64_t micros);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferres
