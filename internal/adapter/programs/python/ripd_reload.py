"""Which files the app has loaded, and loading anew what has changed of them.

Tracker notes each file with the stamp and the content that was loaded. Changes are
found by comparing stamps (modification and change time in ns, size, inode) before
a request; where a stamp cannot tell, because the file was written within the same
tick of the clock, the content does.

Reloader imports the changed modules anew, and those that import them, and gives
out the new app once it is there.
"""

import builtins
import importlib
import importlib.machinery
import importlib.util
import os
import signal
import sys
import threading
import time

import ripd_worker as worker

GONE_FILES = 32  # that are looked at in case they come back
FOREIGN = {"site-packages", "dist-packages", "node_modules", "__pycache__", ".venv", "venv", ".git"}
TEMPLATES = (".html", ".htm", ".jinja", ".jinja2", ".j2", ".mako", ".tmpl")


REALTIME_COARSE = 5  # of Linux' clock_gettime(2)

# What the app leaves behind when it is loaded anew, in a library or as a thread, is
# its own affair; by how much the process may grow is not.
GROWN_KB = int(os.environ.get("RIP_GROWN_MB") or 256) * 1024


def resident_kb():
    """The process's memory."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("VmRSS:")), 0)


def clock():
    """The clock that file systems stamp files with, in ns."""
    return time.clock_gettime_ns(REALTIME_COARSE)


def stamp_of(path):
    """What tells two states of a file apart without reading it; None for no file."""
    try:
        s = os.stat(path)
    except OSError:
        return None
    return s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino


def may_change_unseen(stamp, since):
    """Whether a write at the time since, or later, may leave the same stamp."""
    if stamp is None:
        return False
    whole = stamp[0] % 1_000_000_000 == 0 and stamp[1] % 1_000_000_000 == 0  # FAT keeps every second one
    return stamp[1] + (2_000_000_000 if whole else 0) >= since


class File:
    """One file as it was loaded."""

    __slots__ = ("stamp", "racy", "digest", "owner")

    def __init__(self, stamp, since, content, owner):
        self.stamp, self.racy, self.owner = stamp, may_change_unseen(stamp, since), owner
        self.digest = None if content is None else (len(content), hash(content))


class Tracker:
    """Notes what is imported, by whom, and what the app opens while it is loaded."""

    def __init__(self, roots):
        self.roots = tuple({root.rstrip("/") + "/" for root in roots})
        self.files = {}  # path → File
        self.edges = {}  # module → modules that it imports
        self.version = 0  # counts the files that were met
        self.local = threading.local()  # .stack: modules that are being executed
        self.verdicts = {}  # path → whether it is the app's

    def mine(self, path):
        """Whether a path is one of the app's own files."""
        known = self.verdicts.get(path)
        if known is None:
            known = path.startswith(self.roots) and FOREIGN.isdisjoint(path.split("/"))
            if len(self.verdicts) < 100_000:
                self.verdicts[path] = known
        return known

    def note(self, path, stamp, since, content, owner):
        if path not in self.files:
            self.version += 1
        self.files[path] = File(stamp, since, content, owner)

    def stack(self):
        try:
            return self.local.stack
        except AttributeError:
            self.local.stack = []
            return self.local.stack

    def install(self):
        """Puts the hooks into the import system."""
        tracker, source = self, importlib.machinery.SourceFileLoader
        plain_code, plain_exec = source.get_code, source.exec_module
        plain_import, plain_module = builtins.__import__, importlib.import_module

        def get_code(self, name):
            path = self.get_filename(name)
            if not tracker.mine(path):
                return plain_code(self, name)
            # No cached bytecode: Python takes it for fresh when the source has
            # the same size and was saved within the same second.
            return self.source_to_code(tracker.read(path, name), path)

        def exec_module(self, module):
            if not tracker.mine(getattr(module, "__file__", None) or ""):
                return plain_exec(self, module)
            stack = tracker.stack()
            stack.append(module.__name__)
            try:
                return plain_exec(self, module)
            finally:
                stack.pop()

        def tracked_import(name, globals=None, locals=None, fromlist=(), level=0):
            module = plain_import(name, globals, locals, fromlist, level)
            importer = globals.get("__name__") if globals else None
            if importer in tracker.edges:
                if level:
                    package = globals.get("__package__") or importer.rpartition(".")[0]
                    name = importlib.util.resolve_name("." * level + name, package)
                tracker.link(importer, name, fromlist or ())
            return module

        def import_module(name, package=None):
            module = plain_module(name, package)
            importer = sys._getframe(1).f_globals.get("__name__")
            if importer in tracker.edges:
                tracker.link(importer, module.__name__, ())
            return module

        source.get_code, source.exec_module = get_code, exec_module
        builtins.__import__, importlib.import_module = tracked_import, import_module
        sys.addaudithook(self.opened)

    def read(self, path, name):
        """Reads a module's source. One that was emptied just now is being saved: it gets a moment."""
        deadline = time.monotonic() + worker.AWAY_SECONDS
        while True:
            since, stamp = clock(), stamp_of(path)
            with open(path, "rb") as file:
                content = file.read()
            after = stamp_of(path)  # it may have been emptied since the first look
            fresh = after is None or clock() - after[1] < 1_000_000_000
            if content and after == stamp or not fresh or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        self.edges[name] = set()
        stack = self.stack()
        if stack:
            self.edges.setdefault(stack[-1], set()).add(name)
        self.note(path, stamp, since, content, name)
        return content

    def link(self, importer, name, fromlist):
        """Notes that importer depends on name, on the packages around it, and on what it takes from it."""
        found = self.edges[importer]
        while name:
            if name in self.edges:
                found.add(name)
            for item in fromlist:
                if isinstance(item, str) and f"{name}.{item}" in self.edges:
                    found.add(f"{name}.{item}")
            name, fromlist = name.rpartition(".")[0], ()

    def opened(self, event, args):
        """An audit hook: files that the app reads while it loads, and templates at any time."""
        if event != "open":
            return
        path, flags = args[0], args[2]
        if not isinstance(path, str) or flags & os.O_ACCMODE != os.O_RDONLY or path.endswith((".py", ".pyc", ".so")):
            return
        stack = getattr(self.local, "stack", None)
        if not stack and not path.endswith(TEMPLATES) or getattr(self.local, "busy", False):
            return
        path = os.path.abspath(path)
        if not self.mine(path) or path in self.files or not os.path.isfile(path):
            return
        self.local.busy = True
        try:
            since, stamp = clock(), stamp_of(path)
            with open(path, "rb") as file:
                self.note(path, stamp, since, file.read(), stack[-1] if stack else None)
        except OSError:
            pass
        finally:
            self.local.busy = False

    def changed(self):
        """The files that do not hold any more what was loaded."""
        return [path for path, file in list(self.files.items())
                if (file.racy or stamp_of(path) != file.stamp) and not self.same_content(path, file)]

    def unfinished(self):
        """Whether a file seems to be in the midst of a save: it is away, or was emptied just now."""
        for path, file in list(self.files.items()):
            stamp = stamp_of(path)
            if stamp != file.stamp and (stamp is None or stamp[2] == 0 and clock() - stamp[1] < 1_000_000_000):
                return True
        return False

    def keep_gone(self, before):
        """Looks out for files that were loaded earlier, and now were not although they were
        away or have changed meanwhile: they may be in the midst of a save. A package is
        imported without its own file, and does not tell. True: one has changed meanwhile."""
        gone = [(path, stamp) for path, (_, stamp) in before.items()
                if path not in self.files and (stamp is None or stamp_of(path) != stamp)]
        for path, stamp in gone[-GONE_FILES:]:
            self.files[path] = File(stamp, 0, None, None)
            self.files[path].racy = False
        return any(stamp is not None for _, stamp in gone)

    def bare_packages(self):
        """The app's packages that were imported without a file of their own, with the path of it."""
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) is None and hasattr(module, "__path__"):
                for folder in list(module.__path__)[:GONE_FILES]:
                    path = os.path.join(folder, "__init__.py")
                    if self.mine(path):
                        yield name, path

    def note_packages(self):
        """Looks out for the own files of packages that were imported without one."""
        for _, path in self.bare_packages():
            if path not in self.files:
                self.files[path] = File(None, 0, None, None)
                self.version += 1

    def same_content(self, path, file):
        since, stamp = clock(), stamp_of(path)
        if stamp is None or file.digest is None or stamp[2] != file.digest[0]:
            return stamp is None and file.stamp is None
        try:
            with open(path, "rb") as opened:
                content = opened.read()
        except OSError:
            return False
        if (len(content), hash(content)) != file.digest:
            return False
        file.stamp, file.racy = stamp, may_change_unseen(stamp, since)
        return True


class Reloader:
    """Holds the app, and keeps it fresh in the reload mode "module"."""

    def __init__(self, loader):
        self.loader = loader
        self.tracker = None
        self.app = None
        self.error = None  # why the newest code does not load; None when it does
        self.dirty = set()  # files that have changed since the app's modules were loaded
        self.told = None  # the tracker's version at the last news
        self.known = None  # the files that ripd knows of
        self.half = False  # a file went away while the newest code was loaded
        self.lock = threading.RLock()
        self.first_kb = 0  # the process's memory when the app was loaded for the first time
        if worker.RELOAD != "none":
            self.tracker = Tracker([worker.ROOT, loader.base])
            self.tracker.install()

    def start(self):
        """Loads the app for the first time. Code that does not load ends the worker,
        but not in development: there it is shown, and loaded again when it has changed."""
        try:
            self.app = self.loader.load()
            self.first_kb = resident_kb()
            if self.tracker:
                self.tracker.note_packages()
        except BaseException as error:
            if worker.RELOAD != "none" and not isinstance(error, (KeyboardInterrupt, SystemExit)):
                worker.again()
            if not worker.DEVELOPMENT or worker.RELOAD == "none" or isinstance(error, KeyboardInterrupt):
                raise
            worker.report(error, "", "the app does not load")
            self.error = error
            if self.tracker:
                self.dirty.update(self.tracker.files)

    def news(self):
        """Tells ripd of files that were loaded since it was told last."""
        version = self.tracker.version if self.tracker else 0
        if version == self.told:
            return
        with self.lock:
            self.told, files = version, self.files()
            if files != self.known:
                self.known = files
                worker.register(files)

    def files(self):
        """The files whose change means a new process."""
        if self.tracker is None:
            return []
        native = {f for m in list(sys.modules.values()) if (f := getattr(m, "__file__", None)) and f.endswith(".so") and self.tracker.mine(f)}
        if worker.RELOAD == "process" or self.fixed():
            native.update(self.tracker.files)
            if worker.ENTRY not in native:
                native.add(worker.ENTRY)
            if self.error is not None:  # what is missing may come
                native.update({os.path.dirname(path) for path in native})
        return sorted(native)

    def fixed(self):
        """Whether the app cannot be loaded twice in one process: Django's registry of
        models refuses it. Then ripd is told of all files and starts a new process."""
        apps = sys.modules.get("django.apps")
        return apps is not None and apps.apps.models_ready

    def fresh(self):
        """The app as the files are now. None: see error."""
        if worker.RELOAD != "module":
            return self.app
        with self.lock:
            if not self.fixed() and self.stale():
                self.renew()
            return None if self.error is not None else self.app

    def stale(self):
        self.dirty.update(self.tracker.changed())
        return bool(self.dirty) and (self.error is None or self.worth_trying())

    def worth_trying(self):
        """Whether code that did not load may load now: a file has changed, or what
        was missing may have come."""
        return isinstance(self.error, (ImportError, OSError)) or bool(self.tracker.changed())

    def renew(self):
        """Loads what has changed, in this process for as long as it has not grown too much."""
        self.load_again()
        self.first_kb = self.first_kb or resident_kb()
        if resident_kb() - self.first_kb > GROWN_KB:
            os.kill(os.getpid(), signal.SIGTERM)  # it ends when what runs is answered

    def load_again(self):
        """Loads what has changed. A file that is being saved gets a moment."""
        deadline, away = time.monotonic() + worker.GRACE_SECONDS, time.monotonic() + worker.AWAY_SECONDS
        whole = {path for path, file in self.tracker.files.items() if file.stamp is not None}
        while True:
            while self.tracker.unfinished() and time.monotonic() < away:
                time.sleep(0.002)
                self.dirty.update(self.tracker.changed())
            error = self.attempt(self.affected())
            if error is not None and not isinstance(error, SyntaxError):
                # An app that keeps what it defines in a module that has not
                # changed, as tables, may have to be loaded as a whole.
                error = self.attempt(set(self.tracker.edges))
            if error is None:
                self.error = None
                self.dirty.clear()
                # A package whose own file is away is imported without it.
                bare = any(path in whole for _, path in self.tracker.bare_packages())
                if not (self.half or bare) or time.monotonic() > away:
                    return
                time.sleep(0.002)
                self.dirty.update(self.tracker.changed())
                continue
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
            self.dirty.update(self.tracker.changed())
        if str(error) != str(self.error):
            worker.report(error, "", "the changed app does not load")
        self.error = error

    def fail(self, error):
        """The app was loaded, but did not start: it is loaded again when a file has changed."""
        self.error = error
        if self.tracker:
            self.dirty.update(self.tracker.files)

    def affected(self):
        """The modules of the changed files, and all that import them. When the entry
        is none of them, nobody knows who depends on what: then all modules."""
        edges = self.tracker.edges
        todo = [self.tracker.files[path].owner for path in self.dirty if path in self.tracker.files]
        importers = {}
        for importer, imported in edges.items():
            for name in imported:
                importers.setdefault(name, set()).add(importer)
        found = set()
        while todo:
            name = todo.pop()
            if name in found or name not in edges:
                continue
            found.add(name)
            todo.extend(importers.get(name, ()))
            # A package's own file stands for what is in it.
            todo.extend(other for other in edges if other.startswith(f"{name}."))
        return found if self.loader.module in found else set(edges)

    def attempt(self, names):
        """Imports the modules anew. On an error all is as it was, and it is returned."""
        tracker = self.tracker
        names = names | {self.loader.module}
        if names >= set(tracker.edges):
            names.update(name for name, _ in tracker.bare_packages())
        modules = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        files, edges = tracker.files, tracker.edges
        before = {path: (clock(), stamp_of(path)) for path in files}
        tracker.files = {path: f for path, f in files.items() if f.owner in edges and f.owner not in names}
        tracker.edges = {name: set(imported) for name, imported in edges.items() if name not in names}
        held = self.unlink(modules)
        importlib.invalidate_caches()
        try:
            self.app = self.loader.load()
        except Exception as error:
            failed = error
        except SystemExit as error:
            failed = RuntimeError(f"the app ended itself while it was loaded: exit({error.code})")
        else:
            tracker.version += 1
            self.half = tracker.keep_gone(before)
            tracker.note_packages()
            return None
        for name in [name for name in tracker.edges if name not in edges or name in names]:
            sys.modules.pop(name, None)
        sys.modules.update(modules)
        for parent, name, value in held:
            setattr(parent, name, value)
        seen = tracker.files
        tracker.files, tracker.edges = files, edges
        # The state that does not load is known now: the next try comes when it has
        # changed. What it has that the modules in force do not is dirty until then.
        for path, (since, stamp) in before.items():
            old, new = files[path], seen.get(path)
            if new is not None:
                files[path] = new
                if new.digest != old.digest:
                    self.dirty.add(path)
            elif path in self.dirty:
                files[path] = File(stamp, since, None, old.owner)
                files[path].racy = False
        for path, file in seen.items():
            files.setdefault(path, file)
        return failed

    @staticmethod
    def unlink(modules):
        """Takes the modules out of their packages, which keep them as attributes."""
        held = []
        for name, module in modules.items():
            parent, _, child = name.rpartition(".")
            package = sys.modules.get(parent) if parent else None
            if package is not None and getattr(package, child, None) is module:
                held.append((package, child, module))
                delattr(package, child)
        return held
