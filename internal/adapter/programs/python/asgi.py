"""ripd's adapter for ASGI apps: FastAPI, Starlette, and others (ASGI 3.0: HTTP, WebSocket and lifespan).

It serves HTTP/1.1 on SOCKET_PATH in one event loop, RIP_CONCURRENCY requests at a
time, and registers when the app has started. A WebSocket counts as a request until
it is accepted. See ripd_worker for what ripd says in the environment, ripd_reload
for the reload modes, and ripd_websocket for that protocol.
"""

import asyncio
import os
import signal
import socket
import sys

import ripd_asgi as asgi
import ripd_http as http
import ripd_mold
import ripd_reload
import ripd_websocket as websocket
import ripd_worker as worker

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


class Server:
    """Accepts ripd's connections, a task for each."""

    def __init__(self, reloader):
        self.reloader = reloader
        self.life = None  # of the app that serves
        self.lives = {}  # Lifespan → requests in it; the old ones end with their last
        self.turn = asyncio.Semaphore(worker.AT_ONCE + worker.STREAMS)
        self.renewing = asyncio.Lock()
        self.idle = {}  # task → writer, while it waits for a request
        self.sockets = {}  # websocket.Socket → (its life, its task)
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
                for socket, (its, _) in self.sockets.items():
                    if its is old:  # the client comes back, to the new code
                        self.spawn(socket.close(websocket.RESTART, "the app was loaded anew"))
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
                if websocket.asked(head):
                    await self.one_socket(reader, writer, head)
                    break
                async with self.turn:
                    if not await self.one(asgi.Request(reader, writer, head, self.reloader.news)):
                        break
                if self.stopping.is_set() and not reader.begun():
                    break
        except http.Bad as error:
            version = b"Sec-WebSocket-Version: 13\r\n" if error.status == 426 else b""
            writer.write(http.plain(error.status, str(error), True, version))
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
        life = await self.enter()
        if life is None:
            self.reloader.news()
            writer.write(http.broken(worker.error_header(self.reloader.error), not head.keep))
            return await request.skip() and head.keep
        try:
            await life.app(asgi.scope_of(head, life.state), request.receive, request.send)
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

    async def one_socket(self, reader, writer, head):
        """One WebSocket, to its end. It has a turn until it is accepted."""
        held = [self.turn]
        await self.turn.acquire()

        def accepted():
            if held:
                held.pop().release()
            if self.stopping.is_set() and socket in self.sockets:
                self.spawn(self.end_socket(socket))

        life = socket = None
        try:
            life = await self.enter()
            if life is None:
                self.reloader.news()
                writer.write(http.broken(worker.error_header(self.reloader.error), True))
                return
            socket = websocket.Socket(reader, writer, head, asgi.Request(reader, writer, head, self.reloader.news), self.reloader.news, accepted)
            self.sockets[socket] = life, asyncio.current_task()
            await self.run_socket(life, socket, head)
            await socket.finish()
        except asyncio.CancelledError:
            if not self.stopping.is_set():
                raise
        finally:
            if held:
                held.pop().release()
            if socket is not None:
                del self.sockets[socket]
                socket.task.cancel()
            if life is not None:
                self.leave(life)

    @staticmethod
    async def run_socket(life, socket, head):
        try:
            await life.app(asgi.websocket_scope_of(head, life.state), socket.receive, socket.send)
            if socket.over is None and socket.state != "open":
                raise RuntimeError("the app returned without a complete answer")
            await socket.close(websocket.NORMAL, "")
        except websocket.Gone:
            pass  # the app has learned that the client has left
        except Exception as error:
            worker.report(error, head.request_id(), head.what())
            if socket.state == "asked" and socket.over is None:
                socket.writer.write(http.plain(500, "Internal Server Error", True))
            elif socket.state == "open":
                await socket.close(websocket.INTERNAL, "")

    async def end_socket(self, socket):
        """Ends an open WebSocket because the worker ends. The app has some time to return."""
        _, task = self.sockets[socket]
        await socket.close(websocket.GOING_AWAY, "the server ends")
        await asyncio.wait({task}, timeout=websocket.CLOSE_SECONDS)
        task.cancel()

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
        for one in list(self.sockets):
            if one.state == "open":  # the others are answered as requests are
                self.spawn(self.end_socket(one))
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
