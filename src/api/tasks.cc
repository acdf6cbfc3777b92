// The registry of tasks, GET /api/v1/admin/tasks and DELETE /api/v1/admin/tasks/{id} (API.md 16.2).
#include "api/tasks.h"

#include <algorithm>
#include <charconv>

#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {

Result<uint64_t> Tasks::begin(std::string kind, std::string about, size_t running_max) {
  const MutexLock lock(mutex_);
  const auto running = std::count_if(tasks_.begin(), tasks_.end(), [&kind](const Task& task) {
    return task.kind == kind && task.ended_micros == 0;
  });
  if (static_cast<size_t>(running) >= running_max) {
    return Status(Code::kResourceExhausted, std::to_string(running_max) + " tasks of the kind " +
                                                kind + " run already: try again later");
  }
  Task task;
  task.id = next_id_++;
  task.kind = std::move(kind);
  task.about = std::move(about);
  task.started_micros = clock_.unix_micros();
  tasks_.push_front(std::move(task));
  size_t ended = 0;
  std::erase_if(tasks_,
                [&ended](const Task& old) { return old.ended_micros != 0 && ++ended > kEndedMax; });
  return tasks_.front().id;
}

Status Tasks::progress(uint64_t id, uint64_t done, uint64_t total) {
  const MutexLock lock(mutex_);
  for (Task& task : tasks_) {
    if (task.id != id) continue;
    task.done = done;
    task.total = total;
    if (task.cancelled) return {Code::kConflict, "the task was cancelled"};
  }
  return {};
}

Status Tasks::cancel(uint64_t id) {
  const MutexLock lock(mutex_);
  for (Task& task : tasks_) {
    if (task.id != id) continue;
    if (task.ended_micros != 0) return {Code::kConflict, "the task has ended"};
    task.cancelled = true;
    return {};
  }
  return {Code::kNotFound, "there is no task " + std::to_string(id)};
}

void Tasks::end(uint64_t id, const Status& status) {
  const MutexLock lock(mutex_);
  for (Task& task : tasks_) {
    if (task.id != id) continue;
    task.ended_micros = clock_.unix_micros();
    if (status.ok()) {
      task.done = task.total;
    } else {
      task.error = status.message();
    }
  }
}

std::vector<Task> Tasks::list() const {
  const MutexLock lock(mutex_);
  return {tasks_.begin(), tasks_.end()};
}

Result<Answer> list_tasks(Context& context, Call&) {
  JsonWriter json;
  json.begin_object().key("tasks").begin_array();
  for (const Task& task : context.tasks.list()) {
    const bool running = task.ended_micros == 0;
    json.begin_object();
    json.field("id", task.id).field("kind", task.kind).field("about", task.about);
    json.field("state", running ? "running" : task.error.empty() ? "done" : "failed");
    json.field("started_at", task.started_micros / 1'000'000);
    if (!running) json.field("ended_at", task.ended_micros / 1'000'000);
    json.field("done", task.done).field("total", task.total);
    if (!task.error.empty()) json.field("error", task.error);
    json.end_object();
  }
  json.end_array().end_object();
  return Answer{.body = json.take()};
}

Result<Answer> cancel_task(Context& context, Call& call) {
  const std::string& text = call.item;
  uint64_t id = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (ec != std::errc() || end != text.data() + text.size()) {
    return Status(Code::kInvalidArgument, "a task's id is a whole number, not '" + text + "'");
  }
  TRY(context.tasks.cancel(id));
  return Answer{.status = 202, .body = R"({"ok":true,"state":"cancelling"})"};
}

}  // namespace ferres
