"""What ripd's adapters for Python share: loading the app, speaking with ripd.

ripd says in the environment what is to be loaded (RIP_ENTRY, RIP_OBJECT, RIP_ROOT),
how (RIP_RELOAD, RIP_DEVELOPMENT), and where a worker registers (RIP_CONTROL).
"""

import importlib
import inspect
import json
import os
import re
import socket
import sys
import time
import traceback
from urllib.parse import quote

ENTRY = os.environ.get("RIP_ENTRY", "")
OBJECT = os.environ.get("RIP_OBJECT", "")
ROOT = os.environ.get("RIP_ROOT") or os.path.dirname(ENTRY)
RELOAD = os.environ.get("RIP_RELOAD", "none")
DEVELOPMENT = os.environ.get("RIP_DEVELOPMENT") == "1"
CONCURRENCY = max(1, int(os.environ.get("RIP_CONCURRENCY") or 1))  # requests that ripd gives at a time
AT_ONCE = 1 if os.environ.get("RIP_SERIAL") == "1" else CONCURRENCY  # of these that run; the others wait for their turn
STREAMS = max(0, int(os.environ.get("RIP_STREAMS") or 0))  # answers that may go on beside them (Rip-Release: early)
SOCKET = os.environ.get("SOCKET_PATH", "")
PRELOAD = os.environ.pop("RIP_PRELOAD", None)  # the descriptor of a mold's orders; see ripd_mold

CALL_SECONDS = 10  # of one call to ripd
CALL_TRIES = 5  # of the first registering, when ripd is busy
CALL_BYTES = 900_000  # of file names in one call; ripd takes 1 MiB
ERROR_BYTES = 8000  # of the header that carries an error, percent-encoded
GRACE_SECONDS = 0.2  # that a half-written file is given to become whole
AWAY_SECONDS = 0.5  # that a file is waited for that was deleted or emptied just now


class Refused(Exception):
    """ripd's answer to a call was no."""


def call(op, **more):
    """Tells ripd that this worker is ready, or leaves."""
    control = os.environ.get("RIP_CONTROL")
    if not control:
        return
    body = json.dumps({
        "op": op, "app": os.environ.get("APP_NAME", ""), "workerId": int(os.environ.get("WORKER_ID") or 0),
        "pid": os.getpid(), **more,
    }).encode()
    head = (
        "POST /v1/worker HTTP/1.1\r\nHost: ripd\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Rip-Token: {os.environ.get('RIP_TOKEN', '')}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(CALL_SECONDS)
        door.connect(control)
        door.sendall(head + body)
        answer = b""
        while piece := door.recv(65536):
            answer += piece
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise Refused(answer.partition(b"\r\n\r\n")[2].decode("utf-8", "replace").strip() or "no answer")


def register(files):
    """Registers, with the files whose change ripd is to see."""
    size, told = 0, []
    for path in files:
        size += len(path) + 4
        if size > CALL_BYTES:
            warn(f"the app has loaded more files than ripd can be told: {len(files)}")
            break
        told.append(path)
    for attempt in range(CALL_TRIES):
        try:
            return call("register", socket=SOCKET, version=f"Python {sys.version.split()[0]}", files=told)
        except (OSError, Refused) as error:
            if attempt == CALL_TRIES - 1 or isinstance(error, Refused) and '"busy"' not in str(error):
                raise
            time.sleep(0.2)


def deregister():
    """Tells ripd that this worker leaves. ripd may be gone already."""
    try:
        call("deregister")
    except (OSError, Refused):
        pass


def warn(text):
    """Writes one line to the log."""
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


def report(error, request_id, what):
    """Writes an exception of the app to the log, with the request's id."""
    trace = trace_of(error)
    warn(f"request {request_id or '-'}: {what}: {type(error).__name__}: {error}\n{trace}")


def trace_of(error):
    """A trace without the steps of the adapter and of Python's import system."""
    told = traceback.TracebackException.from_exception(error)
    part = told
    while part is not None:
        frames = [f for f in part.stack if not f.filename.startswith((HERE, "<frozen importlib", importlib.__file__))]
        part.stack = traceback.StackSummary.from_list(frames)
        part = part.__cause__ or part.__context__
    return "".join(told.format())


def error_header(error):
    """The value of Rip-Worker-Error: what is wrong with code that does not load."""
    path, line = ENTRY, 0
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(ROOT + "/"):
            path, line = frame.filename, frame.lineno
    if isinstance(error, SyntaxError) and error.filename:
        path, line = error.filename, error.lineno or 0
    trace = trace_of(error)
    message = f"{type(error).__name__}: {error}"[:1000]
    while True:
        text = json.dumps({"message": message, "file": path, "line": line, "trace": trace}, ensure_ascii=False)
        encoded = quote(text.encode("utf-8", "replace"), safe="")
        if len(encoded) <= ERROR_BYTES:
            return encoded
        # The end of a trace says most.
        message, trace = message[:len(message) * 3 // 4 + 50], trace[len(trace) // 4 + 1:]


class Loader:
    """Loads the app's entry, as often as it is asked to."""

    def __init__(self, names, check):
        self.names = names  # that are looked for when RIP_OBJECT does not say
        self.check = check  # raises TypeError for what is no app of this kind
        self.base, self.module = place(ENTRY)
        sys.path.insert(0, self.base)
        if ROOT != self.base and ROOT not in sys.path:
            sys.path.insert(1, ROOT)
        sys.argv = [ENTRY]

    def load(self):
        """Imports the entry, unless it is there, and gives the app in it."""
        if os.path.basename(ENTRY) == "manage.py":
            return self.django()
        module = importlib.import_module(self.module)
        there = getattr(module, "__file__", None)
        if there != ENTRY:
            raise ImportError(f"{ENTRY} cannot be imported: {self.module} is {there or 'built into Python'}")
        app = self.find(module)
        self.check(app)
        return app

    def find(self, module):
        """The app in a module: by RIP_OBJECT ("app", "make_app()", "a.b"), or by the usual names."""
        if OBJECT:
            found = module
            name, call_it, _ = OBJECT.partition("(")
            for part in name.split("."):
                found = getattr(found, part)
            return found() if call_it else found
        for name in self.names:
            if hasattr(module, name):
                return getattr(module, name)
        for name in ("create_app", "make_app"):
            if callable(getattr(module, name, None)):
                return getattr(module, name)()
        raise AttributeError(f"{ENTRY} has none of {', '.join(self.names)}, create_app() and make_app(): "
                             f"name yours, as in app = \"{os.path.basename(ENTRY)}:site\"")

    def django(self):
        """The app of a Django project, whose manage.py names the settings."""
        with open(ENTRY, encoding="utf-8") as file:
            names = re.search(r"""DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)""", file.read())
        if not names:
            raise ImportError(f"{ENTRY} does not name DJANGO_SETTINGS_MODULE: serve the project's wsgi.py instead")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", names[1])
        from django.core.wsgi import get_wsgi_application
        return get_wsgi_application()


def place(path):
    """The folder for sys.path and the module's name, packages included."""
    base, name = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    while os.path.isfile(os.path.join(base, "__init__.py")):
        base, package = os.path.split(base)
        name = f"{package}.{name}"
    return base, name


def is_coroutine(app):
    """Whether the app is an ASGI app: an async function, or an object that is called as one."""
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))


def again():
    """Starts this program once more in the same process: a file may have been half-written."""
    if "--again" in ARGUMENTS:
        return
    time.sleep(GRACE_SECONDS)
    sys.stderr.flush()
    if PRELOAD:
        os.environ["RIP_PRELOAD"] = PRELOAD
        os.set_inheritable(int(PRELOAD), True)
    os.execv(sys.executable, [sys.executable, PROGRAM, "--again"])


HERE = os.path.dirname(os.path.abspath(__file__)) + "/"
PROGRAM, ARGUMENTS = os.path.abspath(sys.argv[0]), sys.argv[1:]
