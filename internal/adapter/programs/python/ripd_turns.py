"""Who may run: so many requests at a time, in the order in which they came."""

import collections
import threading


class Turns:
    """A semaphore that hands a turn to the one who has waited longest: nobody overtakes."""

    def __init__(self, most):
        self.free = most
        self.lock = threading.Lock()
        self.waiting = collections.deque()

    def __enter__(self):
        with self.lock:
            if self.free:
                self.free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            self.waiting.append(gate)
        gate.acquire()

    def __exit__(self, *_):
        with self.lock:
            if self.waiting:
                self.waiting.popleft().release()
            else:
                self.free += 1
