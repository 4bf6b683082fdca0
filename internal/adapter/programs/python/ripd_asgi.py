"""A request on its way through an ASGI app, and the scopes that apps get."""

import asyncio
from urllib.parse import unquote_to_bytes

import ripd_http as http
import ripd_websocket as websocket

RECEIVE_BYTES = 65536


class Request(http.Framing):
    """One request on its way through the app."""

    def __init__(self, reader, writer, head, news):
        super().__init__(head)
        self.reader, self.writer, self.news = reader, writer, news
        self.coming = head.length or 0  # of the request's body, or of this chunk
        self.first = True
        self.complete = not head.chunked and not head.length  # the body was received
        self.told = False  # the app has seen the body's end
        self.answered = asyncio.Event()
        self.expects = head.expects and head.minor > 0
        self.status = None  # of the answer, once the app has said it
        self.fields = []
        self.sent = False

    async def receive(self):
        """The app's receive: pieces of the body as they come, then the client's leave."""
        if self.told:
            return await self.disconnect()
        data = b"" if self.complete else await self.received()
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

    async def received(self):
        """The next bytes of the body; sets complete."""
        if self.expects:
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expects = False
        if self.head.chunked and self.coming == 0:
            if not self.first and await self.line():
                raise http.Bad(400, "a chunk is longer than its size")
            self.first = False
            self.coming = http.chunk_size(await self.line())
            if self.coming == 0:
                while await self.line():
                    pass  # trailers
                self.complete = True
                return b""
        data = await self.reader.read(min(RECEIVE_BYTES, self.coming))
        if not data:
            raise http.Bad(400, "the body breaks off")
        self.coming -= len(data)
        self.complete = self.coming == 0 and not self.head.chunked
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
            await self.received()
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
                self.announce(value)
            self.fields.append(b"%s: %s\r\n" % (name, value))

    def head_of(self, length):
        self.fields.append(self.framed(self.status, length))
        self.sent = True
        reason = http.REASONS.get(self.status, "").encode()
        return b"HTTP/1.1 %d %s\r\n%s\r\n" % (self.status, reason, b"".join(self.fields))

    async def write(self, data, more):
        out = b"" if self.sent else self.head_of(None if more else len(data))
        out += self.piece(data)
        if not more and self.chunked:
            out += http.LAST_CHUNK
        elif not more and self.body and self.left:
            self.keep = False  # the rest is missing, which the connection's end says
            self.news()
            self.writer.write(out)
            self.answered.set()
            raise RuntimeError(f"the body is {self.left} bytes shorter than its Content-Length")
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


def websocket_scope_of(head, state):
    """The scope of a WebSocket (ASGI's WebSocket specification, 2.4)."""
    scope = scope_of(head, state)
    del scope["method"]
    return {
        **scope, "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "wss" if scope["scheme"] == "https" else "ws", "subprotocols": websocket.subprotocols(head),
        "extensions": {"websocket.http.response": {}},
    }
