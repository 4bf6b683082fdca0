"""ripd's adapter for ASGI apps: FastAPI, Starlette, and others (ASGI 3.0, HTTP and lifespan).

It serves HTTP/1.1 on SOCKET_PATH in one event loop, RIP_CONCURRENCY requests at a
time, and registers when the app has started. WebSockets are refused. See
ripd_worker for what ripd says in the environment, and ripd_reload for the reload
modes.
"""

import asyncio
import os
import signal
import socket
import sys
from urllib.parse import unquote_to_bytes

import ripd_http as http
import ripd_mold
import ripd_reload
import ripd_worker as worker

RECEIVE_BYTES = 65536
WRITE_BUFFER_BYTES = 65536  # of an answer that ripd has not taken yet


class LifespanFailed(Exception):
    """The app said that its start has failed."""


class Reader(asyncio.StreamReader):
    """A connection's bytes, which also tells that the other side has left."""

    def __init__(self):
        super().__init__(limit=http.HEAD_BYTES)
        self.left = asyncio.Event()

    def feed_eof(self):
        super().feed_eof()
        self.left.set()

    def set_exception(self, error):
        super().set_exception(error)
        self.left.set()

    def begun(self):
        """Whether something was received that nobody has read."""
        return bool(self._buffer)


class Lifespan:
    """The life of one app: its startup and shutdown events."""

    def __init__(self, app):
        self.app = app
        self.state = {}
        self.events = asyncio.Queue()
        self.started, self.ended = asyncio.get_running_loop().create_future(), asyncio.Event()
        self.failure = None  # of the shutdown
        self.task = None

    async def startup(self):
        await self.events.put({"type": "lifespan.startup"})
        self.task = asyncio.create_task(self.run())
        if not await self.started:
            await self.task

    async def run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self.events.get, self.send)
        except BaseException as error:
            # An exception before any answer: the app has no lifespan.
            if self.started.done() and not self.ended.is_set():
                worker.report(error, "", "the app's lifespan")
            if not isinstance(error, Exception):
                raise
        finally:
            self.ended.set()
            if not self.started.done():
                self.started.set_result(True)

    async def send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete" and not self.started.done():
            self.started.set_result(True)
        elif kind == "lifespan.startup.failed" and not self.started.done():
            self.started.set_exception(LifespanFailed(message.get("message") or "the app's startup has failed"))
        elif kind == "lifespan.shutdown.failed":
            worker.warn(f"the app's shutdown has failed: {message.get('message') or 'it does not say why'}")
            self.ended.set()
        elif kind == "lifespan.shutdown.complete":
            self.ended.set()
        else:
            raise RuntimeError(f"a message that is not expected here: {kind}")

    async def shutdown(self):
        if not self.ended.is_set():
            await self.events.put({"type": "lifespan.shutdown"})
            await self.ended.wait()


class Request:
    """One request on its way through the app."""

    def __init__(self, reader, writer, head, news):
        self.reader, self.writer, self.head, self.news = reader, writer, head, news
        self.left = head.length or 0
        self.first = True
        self.complete = not head.chunked and not head.length  # the body was received
        self.told = False  # the app has seen the body's end
        self.answered = asyncio.Event()
        self.expects = head.expects and head.minor > 0
        self.status = None  # of the answer, once the app has said it
        self.fields, self.length, self.chunked, self.body = [], None, False, False
        self.sent = False
        self.keep = head.keep

    async def receive(self):
        """The app's receive: pieces of the body as they come, then the client's leave."""
        if self.told:
            return await self.disconnect()
        data = b"" if self.complete else await self.piece()
        self.told = self.complete
        return {"type": "http.request", "body": data, "more_body": not self.complete}

    async def disconnect(self):
        answered = asyncio.create_task(self.answered.wait())
        left = asyncio.create_task(self.reader.left.wait())
        try:
            await asyncio.wait({answered, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answered.cancel()
            left.cancel()
        return {"type": "http.disconnect"}

    async def piece(self):
        """The next bytes of the body; sets complete."""
        if self.expects:
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expects = False
        if self.head.chunked and self.left == 0:
            if not self.first and await self.line():
                raise http.Bad(400, "a chunk is longer than its size")
            self.first = False
            self.left = http.chunk_size(await self.line())
            if self.left == 0:
                while await self.line():
                    pass  # trailers
                self.complete = True
                return b""
        data = await self.reader.read(min(RECEIVE_BYTES, self.left))
        if not data:
            raise http.Bad(400, "the body breaks off")
        self.left -= len(data)
        self.complete = self.left == 0 and not self.head.chunked
        return data

    async def line(self):
        line = await self.reader.readuntil(b"\r\n")
        if len(line) > http.LINE_BYTES:
            raise http.Bad(400, "a chunk's line is too long")
        return line[:-2]

    async def skip(self):
        """Reads what the app has left of the body."""
        if self.expects:
            return self.complete
        while not self.complete:
            await self.piece()
        return True

    async def send(self, message):
        """The app's send."""
        kind = message["type"]
        if self.answered.is_set():
            return  # the client has left, or all is said
        if kind == "http.response.start" and self.status is None:
            self.start(message)
        elif kind == "http.response.body" and self.status is not None:
            await self.write(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"a message that is not expected here: {kind}")

    def start(self, message):
        self.status = int(message["status"])
        for name, value in message.get("headers", ()):
            name, value = bytes(name), bytes(value)
            http.check_field(name, value)
            lower = name.lower()
            if lower in http.HOP_BY_HOP:
                continue  # they are ripd's affair
            if lower == b"content-length":
                self.length = int(value)
            self.fields.append(b"%s: %s\r\n" % (name, value))
        self.body = http.has_body(self.head.method, self.status)

    def head_of(self, data, more):
        if self.length is None and not more and self.status >= 200 and self.status not in (204, 304):
            if self.head.method != b"HEAD" or data:
                self.length = len(data)
                self.fields.append(b"Content-Length: %d\r\n" % self.length)
        elif self.length is None and self.body:
            if self.head.minor > 0:
                self.chunked = True
                self.fields.append(b"Transfer-Encoding: chunked\r\n")
            else:
                self.keep = False
        if not self.keep:
            self.fields.append(b"Connection: close\r\n")
        self.sent = True
        reason = http.REASONS.get(self.status, "").encode()
        return b"HTTP/1.1 %d %s\r\n%s\r\n" % (self.status, reason, b"".join(self.fields))

    async def write(self, data, more):
        out = b"" if self.sent else self.head_of(data, more)
        if self.body and data:
            if self.chunked:
                data = b"%x\r\n%s\r\n" % (len(data), data)
            elif self.length is not None:
                if len(data) > self.length:
                    raise RuntimeError("the body is longer than its Content-Length")
                self.length -= len(data)
            out += data
        if not more:
            if self.chunked:
                out += b"0\r\n\r\n"
            elif self.body and self.length:
                self.keep = False  # the rest is missing, which the connection's end says
                self.news()
                self.writer.write(out)
                self.answered.set()
                raise RuntimeError(f"the body is {self.length} bytes shorter than its Content-Length")
        if out:
            self.news()
            self.writer.write(out)
            try:
                await self.writer.drain()
            except ConnectionError:
                self.keep = False
                self.answered.set()
        if not more:
            self.answered.set()


def scope_of(head, state):
    """The scope of a request (ASGI's HTTP specification, 2.3)."""
    forwarded, host, scheme = b"", b"", b""
    for name, value in head.fields:
        if name == b"x-forwarded-for":
            forwarded = value
        elif name == b"x-forwarded-proto":
            scheme = value
        elif name == b"host":
            host = value
    name, colon, port = host.decode("latin-1").rpartition(":")
    if not colon or not port.isdigit():
        name, port = host.decode("latin-1"), "443" if scheme == b"https" else "80"
    # The client, as ripd knows it; trusted proxies follow. ripd does not tell the port.
    client = forwarded.partition(b",")[0].strip().decode("latin-1")
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": f"1.{head.minor}",
        "method": head.method.decode("latin-1").upper(), "scheme": scheme.decode("latin-1") or "http",
        "path": unquote_to_bytes(head.path).decode("utf-8", "replace"), "raw_path": head.path,
        "query_string": head.query, "root_path": "", "headers": list(head.fields),
        "client": (client, 0) if client else None, "server": (name or "localhost", int(port)), "state": dict(state),
    }


class Server:
    """Accepts ripd's connections, a task for each."""

    def __init__(self, reloader):
        self.reloader = reloader
        self.life = None  # of the app that serves
        self.lives = {}  # Lifespan → requests in it; the old ones end with their last
        self.turn = asyncio.Semaphore(worker.AT_ONCE)
        self.renewing = asyncio.Lock()
        self.idle = {}  # task → writer, while it waits for a request
        self.tasks = set()
        self.stopping = asyncio.Event()

    async def enter(self):
        """The life of the newest app. None: it does not load."""
        async with self.renewing:
            app = self.reloader.fresh()
            if app is None or self.reloader.error is not None:
                return None
            if self.life is None or app is not self.life.app:
                life = Lifespan(app)
                try:
                    await life.startup()
                except Exception as error:
                    if not worker.DEVELOPMENT:
                        raise
                    worker.report(error, "", "the app does not start")
                    self.reloader.fail(error)
                    return None
                old, self.life = self.life, life
                self.lives[life] = 0
                if old is not None and self.lives[old] == 0:
                    self.leave_life(old)
            self.lives[self.life] += 1
            return self.life

    def leave(self, life):
        self.lives[life] -= 1
        if self.lives[life] == 0 and life is not self.life:
            self.leave_life(life)

    def leave_life(self, life):
        del self.lives[life]
        self.spawn(life.shutdown())

    def spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def connected(self, reader, writer):
        writer.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self.spawn(self.connection(reader, writer))

    async def connection(self, reader, writer):
        task = asyncio.current_task()
        try:
            while True:
                self.idle[task] = writer
                try:
                    head = await self.head(reader)
                finally:
                    del self.idle[task]
                if head is None:
                    break
                async with self.turn:
                    if not await self.one(Request(reader, writer, head, self.reloader.news)):
                        break
                if self.stopping.is_set() and not reader.begun():
                    break
        except http.Bad as error:
            writer.write(http.plain(error.status, str(error), True))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            try:
                writer.close()
                await writer.wait_closed()
            except (ConnectionError, OSError):
                pass

    @staticmethod
    async def head(reader):
        try:
            while True:
                data = await reader.readuntil(b"\r\n\r\n")
                data = data[:-4].lstrip(b"\r\n")
                if data:
                    return http.Head(data)
        except asyncio.LimitOverrunError:
            raise http.Bad(431, "the head is too large") from None
        except asyncio.IncompleteReadError as error:
            if error.partial.strip(b"\r\n"):
                raise http.Bad(400, "the head breaks off") from None
            return None

    async def one(self, request):
        """One request. False ends the connection."""
        head, writer = request.head, request.writer
        if head.get(b"upgrade").lower() == b"websocket":
            writer.write(http.plain(501, "WebSockets are not in this version of ripd.", True))
            return False
        life = await self.enter()
        if life is None:
            self.reloader.news()
            writer.write(http.broken(worker.error_header(self.reloader.error), not head.keep))
            return await request.skip() and head.keep
        try:
            await life.app(scope_of(head, life.state), request.receive, request.send)
            if not request.answered.is_set():
                raise RuntimeError("the app returned without a complete answer")
        except http.Bad:
            return False
        except Exception as error:
            if request.reader.at_eof() and isinstance(error, (ConnectionError, asyncio.CancelledError)):
                return False
            worker.report(error, head.request_id(), head.what())
            if request.sent:
                return request.answered.is_set() and request.keep
            request.answered.set()
            writer.write(http.plain(500, "Internal Server Error", not head.keep))
        finally:
            self.leave(life)
        return await request.skip() and request.keep

    async def serve(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        first = await self.enter()
        if first is not None:
            self.leave(first)
        listener = await loop.create_unix_server(
            lambda: asyncio.StreamReaderProtocol(Reader(), self.connected), worker.SOCKET, backlog=128)
        self.reloader.news()
        await self.stopping.wait()
        await asyncio.to_thread(worker.deregister)  # before nobody listens: ripd may be about to connect
        listener.close()
        for writer in list(self.idle.values()):
            try:  # what ripd has sent already is read before the end is seen
                writer.get_extra_info("socket").shutdown(socket.SHUT_RD)
            except OSError:
                pass
        while self.tasks:
            await asyncio.wait(set(self.tasks))
        for life in list(self.lives):
            await life.shutdown()


def check(app):
    if not callable(app):
        raise TypeError(f"{worker.ENTRY}: the app cannot be called: {app!r}")


async def run(reloader):
    await Server(reloader).serve()


def main():
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    for number in (signal.SIGTERM, signal.SIGINT):
        # No exception: the app's code could catch it, and there is nothing to finish yet.
        signal.signal(number, lambda *_: os._exit(0))
    sys.stdout.reconfigure(line_buffering=True)  # the log has a line when it is written
    reloader = ripd_reload.Reloader(worker.Loader(("app", "application", "api"), check))
    reloader.start()
    if worker.PRELOAD:
        ripd_mold.serve()  # returns in each worker
    try:
        asyncio.run(run(reloader))
    except LifespanFailed as error:
        sys.exit(f"the app does not start: {error}")


if __name__ == "__main__":
    main()
