"""ripd's adapter for WSGI apps (PEP 3333): Flask, Django, and others.

It serves HTTP/1.1 on SOCKET_PATH, one request at a time or RIP_CONCURRENCY in
threads, and registers when the app is loaded. See ripd_worker for what ripd says
in the environment, and ripd_reload for the reload modes.
"""

import io
import os
import signal
import socket
import sys
import threading
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

import ripd_http as http
import ripd_mold
import ripd_reload
import ripd_turns
import ripd_worker as worker

RECEIVE_BYTES = 65536
SPARE_CONNECTIONS = 16  # beyond one for each request at a time; the rest waits in the kernel


class Connection:
    """A connection of ripd's: what was received and not used yet."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.busy = False  # a request has begun
        self.gone = False  # ripd has closed it, as it does when the client has left

    def head(self):
        """The next request's head, None at the connection's end."""
        while True:
            self.buffer = self.buffer.lstrip(b"\r\n") if self.buffer[:1] in (b"\r", b"\n") else self.buffer
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                head, self.buffer = self.buffer[:end], self.buffer[end + 4:]
                return http.Head(head)
            if len(self.buffer) > http.HEAD_BYTES:
                raise http.Bad(431, "the head is too large")
            if not self.receive():
                if self.buffer:
                    raise http.Bad(400, "the head breaks off")
                return None

    def receive(self):
        try:
            piece = self.sock.recv(RECEIVE_BYTES)
        except OSError:
            self.gone = True
            raise
        self.busy = self.busy or bool(piece)
        self.buffer += piece
        return bool(piece)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            self.gone = True
            raise

    def line(self):
        """A line of chunked framing."""
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > http.LINE_BYTES or not self.receive():
                raise http.Bad(400, "a chunk's line breaks off")
        line, self.buffer = self.buffer[:end], self.buffer[end + 2:]
        return line

    def take(self, most):
        """At most that many bytes, as many as are here; at least one."""
        if not self.buffer and not self.receive():
            raise http.Bad(400, "the body breaks off")
        piece, self.buffer = self.buffer[:most], self.buffer[most:]
        return piece


class Body(io.RawIOBase):
    """A request's body, received as the app reads it."""

    def __init__(self, connection, head):
        self.connection = connection
        self.left = head.length or 0  # of the body, or of this chunk
        self.chunked = head.chunked
        self.first = True
        self.ended = not head.chunked and not head.length
        self.expects = head.expects and head.minor > 0

    def readable(self):
        return True

    def piece(self, most):
        """The next bytes; b"" at the end."""
        if self.ended:
            return b""
        if self.expects:
            self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expects = False
        if self.chunked and self.left == 0 and not self.next_chunk():
            return b""
        data = self.connection.take(min(most, self.left))
        self.left -= len(data)
        if self.left == 0 and not self.chunked:
            self.ended = True
        return data

    def next_chunk(self):
        if not self.first and self.connection.line():
            raise http.Bad(400, "a chunk is longer than its size")
        self.first = False
        self.left = http.chunk_size(self.connection.line())
        if self.left == 0:
            while self.connection.line():
                pass  # trailers
            self.ended = True
        return self.left > 0

    def readinto(self, buffer):
        data = self.piece(len(buffer))
        buffer[:len(data)] = data
        return len(data)

    def skip(self):
        """Reads what the app has left, so that the connection can go on."""
        if self.expects:
            return self.ended  # it was not sent, and will not be
        while self.piece(RECEIVE_BYTES):
            pass
        return True


def environ_of(head, body, concurrency):
    """The environ of a request (PEP 3333)."""
    environ = dict(BASE)
    for name, value in head.fields:
        value = value.decode("latin-1")
        key = NAMES.get(name)
        if key is None:
            if b"_" in name:
                continue  # it would pass for the same name with a dash
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            if len(NAMES) < 1000:
                NAMES[name] = key
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    host = environ.get("HTTP_X_FORWARDED_HOST") or environ.get("HTTP_HOST", "")
    scheme = environ.get("HTTP_X_FORWARDED_PROTO") or "http"
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, "443" if scheme == "https" else "80"
    environ.update({
        "REQUEST_METHOD": head.method.decode("latin-1"),
        "PATH_INFO": unquote_to_bytes(head.path).decode("latin-1") if b"%" in head.path else head.path.decode("latin-1"),
        "QUERY_STRING": head.query.decode("latin-1"),
        "REQUEST_URI": head.target.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/1.{head.minor}",
        "SERVER_NAME": name or "localhost", "SERVER_PORT": port,
        # The client, as ripd knows it; trusted proxies follow.
        "REMOTE_ADDR": environ.get("HTTP_X_FORWARDED_FOR", "").partition(",")[0].strip(),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO() if body.ended else io.BufferedReader(body),
    })
    if environ.get("CONTENT_LENGTH") is None and head.chunked:
        environ.pop("CONTENT_LENGTH", None)
    return environ


NAMES = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
BASE = {
    "SCRIPT_NAME": "", "wsgi.version": (1, 0), "wsgi.errors": sys.stderr, "wsgi.multithread": worker.AT_ONCE > 1,
    "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True, "wsgi.file_wrapper": FileWrapper,
    "SERVER_SOFTWARE": "ripd",
}


class Answer(http.Framing):
    """An answer on its way: start_response, write, and the framing."""

    def __init__(self, connection, head, news):
        super().__init__(head)
        self.connection, self.news = connection, news
        self.status, self.fields = None, []
        self.sent = self.file = False  # the head is out; ripd sends a file, whose length frameworks announce

    def start(self, status, headers, exc_info=None):
        """start_response of PEP 3333."""
        if exc_info:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise RuntimeError("start_response was called twice")
        if len(status) < 4 or not status[:3].isdigit() or status[3] != " " or "\r" in status or "\n" in status:
            raise ValueError(f"this is no status: {status!r}")
        fields, self.left = [], None
        for name, value in headers:
            name, value = name.encode("latin-1"), value.encode("latin-1")
            http.check_field(name, value)
            lower = name.lower()
            if lower in http.HOP_BY_HOP:
                raise ValueError(f"an app does not say {name.decode()}: it is of the connection")
            if lower == b"content-length":
                self.announce(value)
            elif lower in (b"x-sendfile", b"x-accel-redirect"):
                self.file = True
            fields.append(b"%s: %s\r\n" % (name, value))
        self.status, self.fields = status, fields
        return self.write

    def head_of(self, length):
        """The head of the answer; length is that of the body when it is known."""
        if self.status is None:
            raise RuntimeError("the app did not call start_response")
        said = self.framed(int(self.status[:3]), length)
        self.sent = True
        return b"HTTP/1.1 %s\r\n%s%s\r\n" % (self.status.encode("latin-1"), b"".join(self.fields), said)

    def write(self, data, length=None):
        """Sends a piece of the body, the head before the first one."""
        out = self.piece(data) if self.sent else self.head_of(length) + self.piece(data)
        if out:
            self.news()
            self.connection.send(out)

    def cut(self, data):
        self.warn("longer than its Content-Length")
        return data[:self.left]

    def finish(self):
        """Sends what is left when the body is complete. False: it is not complete."""
        if not self.sent:
            self.write(b"", 0)
        if self.chunked:
            self.news()
            self.connection.send(http.LAST_CHUNK)
        elif self.body and self.left:
            if not self.file:
                self.warn(f"{self.left} bytes shorter than its Content-Length")
            return False
        return True

    def warn(self, how):
        worker.warn(f"request {self.head.request_id() or '-'}: the body is {how}")


class Server:
    """Accepts ripd's connections, a thread for each."""

    def __init__(self, reloader):
        self.reloader = reloader
        self.turn = ripd_turns.Turns(worker.AT_ONCE)
        self.lock = threading.Lock()
        self.connections = {}  # Connection → its thread
        self.stopping = False
        self.wake, self.waker = os.pipe()

    def stop(self, *_):
        """Ends the worker when what runs is answered. A signal's handler."""
        self.stopping = True
        os.write(self.waker, b"x")

    def serve(self, listener):
        import selectors
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self.wake, selectors.EVENT_READ)
            while not self.stopping:
                if any(key.fileobj is listener for key, _ in selector.select()) and not self.stopping:
                    self.accept(listener)
        worker.deregister()  # before nobody listens: ripd may be about to connect
        listener.close()
        with self.lock:
            threads = list(self.connections.values())
            for connection in self.connections:
                if not connection.busy:
                    self.end(connection)
        for thread in threads:
            thread.join()

    def accept(self, listener):
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        connection = Connection(sock)
        thread = threading.Thread(target=self.run, args=(connection,), daemon=True)
        with self.lock:
            self.connections[connection] = thread
        thread.start()

    @staticmethod
    def end(connection):
        """Lets an idle connection's thread see the end. What ripd has sent already is read before."""
        try:
            connection.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def run(self, connection):
        try:
            while self.one(connection):
                with self.lock:
                    connection.busy = bool(connection.buffer)
                    if self.stopping and not connection.busy:
                        break
        except OSError:
            pass
        finally:
            connection.sock.close()
            with self.lock:
                self.connections.pop(connection, None)

    def one(self, connection):
        """One request. False ends the connection."""
        try:
            head = connection.head()
        except http.Bad as error:
            connection.send(http.plain(error.status, str(error), True))
            return False
        if head is None:
            return False
        with self.turn:
            body = Body(connection, head)
            try:
                return self.answer(connection, head, body) and body.skip()
            except http.Bad:
                return False

    def answer(self, connection, head, body):
        app = self.reloader.fresh()
        if app is None or self.reloader.error is not None:
            self.reloader.news()
            connection.send(http.broken(worker.error_header(self.reloader.error), not head.keep))
            return head.keep
        answer = Answer(connection, head, self.reloader.news)
        try:
            result = app(environ_of(head, body, worker.CONCURRENCY), answer.start)
            try:
                self.pass_on(result, answer)
            finally:
                if hasattr(result, "close"):
                    result.close()
            return answer.finish() and answer.keep
        except Exception as error:
            if isinstance(error, http.Bad) or connection.gone and isinstance(error, ConnectionError):
                return False  # the client has left; an app's own connections break off, too
            worker.report(error, head.request_id(), head.what())
            if answer.sent:
                return False  # a broken answer must look broken
            connection.send(http.plain(500, "Internal Server Error", not head.keep))
            return head.keep

    @staticmethod
    def pass_on(result, answer):
        one = isinstance(result, (list, tuple)) and len(result) <= 1
        for piece in result:
            if not isinstance(piece, bytes):
                raise TypeError(f"a body consists of bytes, not {type(piece).__name__}")
            if piece:
                answer.write(piece, len(piece) if one else None)


def check(app):
    if not callable(app):
        raise TypeError(f"{worker.ENTRY}: the app cannot be called: {app!r}")
    if worker.is_coroutine(app):
        raise TypeError(f'{worker.ENTRY}: this is an ASGI app: set adapter = "asgi"')


def main():
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    for number in (signal.SIGTERM, signal.SIGINT):
        # No exception: the app's code could catch it, and there is nothing to finish yet.
        signal.signal(number, lambda *_: os._exit(0))
    sys.stdout.reconfigure(line_buffering=True)  # the log has a line when it is written
    reloader = ripd_reload.Reloader(worker.Loader(("app", "application"), check))
    reloader.start()
    if worker.PRELOAD:
        ripd_mold.serve()  # returns in each worker
    server = Server(reloader)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(worker.SOCKET)
        listener.listen(128)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.stop)
        reloader.news()
        server.serve(listener)


if __name__ == "__main__":
    main()
