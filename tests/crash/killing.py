# Kills a server in the middle of one operation: how long to wait, what the operation had come to,
# and what became of it, counted.
import http.client
import threading
import time

BEYOND = 1.15  # some kills come just after the answer


class Attempt(threading.Thread):
    """Does `work(client)` until it is done or the server has gone. `started` is when its client
    began, `seconds` how long it took; `answer` is what it returned."""

    def __init__(self, server, work):
        super().__init__()
        self.server = server
        self.work = work
        self.answered = False
        self.answer = None
        self.seconds = 0.0
        self.error = None
        self.begun = threading.Event()

    def run(self):
        client = self.server.client()
        began = time.monotonic()
        self.begun.set()
        try:
            self.answer = self.work(client)
            self.answered = True
        except (OSError, http.client.HTTPException):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            self.seconds = time.monotonic() - began
            client.close()

    def finish(self):
        self.join()
        if self.error is not None:
            raise AssertionError(f"the operation failed before the kill: {self.error}")


def kill_during(server, work, wait):
    """Starts the work, waits (a function that is given the attempt) and kills."""
    attempt = Attempt(server, work)
    attempt.start()
    attempt.begun.wait()
    wait(attempt)
    server.kill()
    attempt.finish()
    return attempt


class Pace:
    """How long a kind of operation takes, and when to kill the next one: over the whole of its
    duration and a little beyond, evenly."""

    def __init__(self, draw):
        self.draw = draw
        self.durations = {}
        self.turns = {}

    def learn(self, kind, seconds):
        self.durations[kind] = seconds

    def delay(self, kind):
        # By the golden ratio, so that few draws are spread evenly too.
        turn = self.turns.setdefault(kind, self.draw.random())
        self.turns[kind] = (turn + 0.6180339887) % 1
        return turn * BEYOND * self.durations[kind]

    def kill(self, server, kind, work):
        delay = self.delay(kind)
        attempt = kill_during(server, work, lambda _: time.sleep(delay))
        if attempt.answered:
            self.durations[kind] = (self.durations[kind] + attempt.seconds) / 2
        else:
            self.durations[kind] = max(self.durations[kind], delay)
        return attempt


class Figures:
    """What is told in the end."""

    def __init__(self):
        self.kills = 0
        self.hits = 0
        self.counts = {}
        self.slowest_start = 0.0

    def count(self, what, number=1):
        self.counts[what] = self.counts.get(what, 0) + number

    def line(self, durations):
        parts = [f"{self.kills} kills, {self.hits} of them while it ran ("
                 + ", ".join(f"{kind} {1000 * seconds:.0f} ms"
                             for kind, seconds in durations.items()) + ")"]
        parts += [f"{number} {what}" for what, number in sorted(self.counts.items())]
        parts.append(f"slowest start {self.slowest_start:.2f} s")
        return "; ".join(parts)
