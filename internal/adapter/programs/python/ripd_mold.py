"""What a process does that has loaded the app and is forked to make workers.

ripd's orders come on the socket whose descriptor RIP_PRELOAD names: a worker's
variables ("NAME=value", a NUL after each), with the descriptors of its standard
output, its standard error, and the socket of its life. A worker is forked twice, so
that it becomes a child of ripd's. It says "forked" on the socket of its life, and
waits for "go". From then on it ends when anything happens there, which is ripd's end.
"""

import fcntl
import gc
import os
import select
import signal
import socket
import sys
import threading
import time

import ripd_worker as worker

ORDER_BYTES = 65536
life = None  # the socket of this worker's life


def serve():
    """Forks for each order. It returns in the workers alone."""
    orders = socket.socket(fileno=int(worker.PRELOAD))
    orders.set_inheritable(False)
    if threading.active_count() > 1:
        names = ", ".join(sorted(t.name for t in threading.enumerate() if t is not threading.main_thread()))
        orders.send(f"unfit the app has started threads while it was loaded: {names}"[:1000].encode())
        orders.recv(1)  # ripd ends this process
        sys.exit(0)
    gc.collect()
    gc.freeze()  # so that no collection of a worker writes to what is here
    orders.send(b"loaded")
    while True:
        text, fds, _, _ = socket.recv_fds(orders, ORDER_BYTES, 3)
        if not text:
            sys.exit(0)  # ripd has ended
        if len(fds) == 3 and forked(text, fds):
            orders.close()
            return
        for fd in fds:
            os.close(fd)


def forked(text, fds):
    """Forks. True in the new worker, False in this process."""
    sys.stdout.flush()
    sys.stderr.flush()  # or both would write it
    try:
        middle = os.fork()
    except OSError as error:
        worker.warn(f"a worker cannot be forked: {error}")
        return False
    if middle:
        try:
            os.waitpid(middle, 0)
        except ChildProcessError:
            pass  # a library waits for all children
        return False
    try:
        become(text, fds)
    except OSError as error:
        worker.warn(f"a worker cannot be forked: {error}")
        os._exit(1)
    return True


def become(text, fds):
    """Makes the second fork, and of that process a worker."""
    global life
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    middle = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == middle:
        time.sleep(0.0005)
    os.setsid()
    for fd, name in zip(fds, (1, 2)):
        os.dup2(fd, name)
        os.close(fd)
    life = socket.socket(fileno=fds[2])
    life.set_inheritable(False)
    life.send(b"forked")
    if life.recv(2) != b"go":
        os._exit(1)
    # The kernel kills this process when ripd ends, and closes its end of the socket.
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        os._exit(1)  # it has ended before
    for entry in text.decode("utf-8", "surrogateescape").split("\0"):
        name, _, value = entry.partition("=")
        if name:
            os.environ[name] = value
    worker.SOCKET = os.environ.get("SOCKET_PATH", "")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
