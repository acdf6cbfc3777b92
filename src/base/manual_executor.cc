// The executor of tests: nothing runs until the test says so, one task at a time, in an order drawn
// from a seed. One thread only.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/random.h"

namespace ferres {

struct ManualExecutor::State {
  struct Delayed {
    uint64_t due_micros;
    std::function<void()> task;
  };
  Random random;
  uint64_t now_micros = 0;
  std::vector<std::function<void()>> ready;
  std::vector<Delayed> delayed;
};

ManualExecutor::ManualExecutor(uint64_t seed)
    : state_(std::make_unique<State>(State{Random(seed), 0, {}, {}})) {}

/// As the thread pool's: what is ready (and what that submits) runs, delayed tasks are dropped.
ManualExecutor::~ManualExecutor() {
  run_all();
}

void ManualExecutor::submit(std::function<void()> task) {
  state_->ready.push_back(std::move(task));
}

void ManualExecutor::submit_after(uint64_t delay_micros, std::function<void()> task) {
  state_->delayed.push_back({state_->now_micros + delay_micros, std::move(task)});
  if (delay_micros == 0) advance_micros(0);
}

void ManualExecutor::parallel_for(size_t count, const std::function<void(size_t)>& body) {
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; i++) {
    const size_t other = state_->random.below(i + 1);
    order[i] = order[other];
    order[other] = i;
  }
  for (const size_t i : order)
    body(i);
}

bool ManualExecutor::run_one() {
  std::vector<std::function<void()>>& ready = state_->ready;
  if (ready.empty()) return false;
  std::swap(ready[state_->random.below(ready.size())], ready.back());
  const std::function<void()> task = std::move(ready.back());
  ready.pop_back();
  task();
  return true;
}

void ManualExecutor::run_all() {
  while (ManualExecutor::run_one()) {
  }
}

void ManualExecutor::advance_micros(uint64_t micros) {
  state_->now_micros += micros;
  std::vector<State::Delayed>& delayed = state_->delayed;
  const auto waiting = std::stable_partition(
      delayed.begin(), delayed.end(),
      [now = state_->now_micros](const State::Delayed& entry) { return entry.due_micros <= now; });
  for (auto entry = delayed.begin(); entry != waiting; ++entry)
    submit(std::move(entry->task));
  delayed.erase(delayed.begin(), waiting);
}

}  // namespace ferres
