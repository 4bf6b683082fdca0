"""WebSocket (RFC 6455), the server's side, with the messages of ASGI's scope "websocket" (2.4).

One task reads the client's frames, and holds a bounded part of them for the app: who
sends faster than the app takes waits. The app's send waits for the client likewise.
"""

import asyncio
import base64
import codecs
import collections
import hashlib
import os

import ripd_http as http

MESSAGE_BYTES = int(os.environ.get("RIP_MESSAGE_BYTES") or 100_000_000)  # of one message of a client's; ripd's limits.body
QUEUE_BYTES = 65536  # of messages that the app has not taken; the one that passes it is the last that is read
QUEUE_MESSAGES = 64  # likewise
PIECE_BYTES = 65536  # that are received, unmasked and looked at in one go
CLOSE_SECONDS = 2  # that the client has to answer a close frame, and the app to return at the worker's end

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# Codes of close frames (RFC 6455 7.4.1 and IANA's register).
NORMAL, GOING_AWAY, PROTOCOL, NO_CODE, ABNORMAL, NOT_UTF8, TOO_BIG, INTERNAL, RESTART = (
    1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012)
TOLD = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}  # that may be in a close frame, below 3000


class Gone(ConnectionError):
    """The app sends to a connection that is closed, or that it never accepted."""


class Breach(Exception):
    """The client breaks the protocol, or a limit. Its code goes into the close frame."""

    def __init__(self, code, problem):
        super().__init__(problem)
        self.code = code


def asked(head):
    """Whether a request asks for WebSocket. Raises http.Bad for one that does so wrongly."""
    if head.get(b"upgrade").lower() != b"websocket":
        return False
    if head.method != b"GET" or head.minor < 1 or head.chunked or head.length:
        raise http.Bad(400, "a WebSocket is asked for with GET, HTTP/1.1, and no body")
    if head.get(b"sec-websocket-version") != b"13":
        raise http.Bad(426, "the version of WebSocket is 13")
    try:
        good = len(base64.b64decode(head.get(b"sec-websocket-key"), validate=True)) == 16
    except ValueError:
        good = False
    if not good:
        raise http.Bad(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    return True


def subprotocols(head):
    """What the client offers, in its order."""
    offers = b",".join(value for name, value in head.fields if name == b"sec-websocket-protocol")
    return [offer.strip().decode("latin-1") for offer in offers.split(b",") if offer.strip()]


def unmasked(data, mask, at):
    """A piece of a payload; at is where it begins there."""
    turn = at % 4
    key = (mask[turn:] + mask[:turn]) * (len(data) // 4 + 1)
    return (int.from_bytes(data, "big") ^ int.from_bytes(key[:len(data)], "big")).to_bytes(len(data), "big")


def frame(opcode, data):
    """A whole frame."""
    size = len(data)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + data


def close_frame(code, reason):
    """A close frame; a reason that is too long is cut."""
    if code == NO_CODE:
        return frame(CLOSE, b"")
    text = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


class Socket:
    """One WebSocket: the app's receive and send, and the task that reads."""

    def __init__(self, reader, writer, head, denial, news, accepted):
        self.reader, self.writer, self.head = reader, writer, head
        self.denial = denial  # a Request, for an answer of the app's own in the place of the 101
        self.news, self.accepted = news, accepted  # called before bytes are sent; when the 101 is
        self.connected = False  # the app has received websocket.connect
        self.state = "asked"  # then "open" or "denied"
        self.over = None  # (code, reason) once nothing more comes
        self.said = False  # a close frame was sent
        self.queue, self.held = collections.deque(), 0  # messages for the app, and their bytes
        self.came, self.room = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self.watch())

    # The app's side.

    async def receive(self):
        if not self.connected:
            self.connected = True
            return {"type": "websocket.connect"}
        while not self.queue and self.over is None:
            self.came.clear()
            await self.came.wait()
        if not self.queue:
            return {"type": "websocket.disconnect", "code": self.over[0], "reason": self.over[1]}
        message, size = self.queue.popleft()
        self.held -= size
        self.room.set()
        return message

    async def send(self, message):
        kind = message["type"]
        if self.over is not None:
            raise Gone("the connection is closed")
        if self.state == "asked" and kind == "websocket.accept":
            await self.accept(message)
        elif self.state == "asked" and kind == "websocket.close":
            self.deny()
            await self.write(http.plain(403, "Forbidden", True))
            self.end(ABNORMAL, "")
        elif self.state in ("asked", "denied") and kind in ("websocket.http.response.start", "websocket.http.response.body"):
            self.deny()
            self.denial.keep = False
            await self.denial.send({**message, "type": kind.removeprefix("websocket.")})
            if self.denial.answered.is_set():
                self.end(ABNORMAL, "")
        elif self.state == "open" and kind == "websocket.send":
            text, data = message.get("text"), message.get("bytes")
            if (text is None) == (data is None):
                raise ValueError("websocket.send has either text or bytes")
            await self.write(frame(TEXT, text.encode()) if data is None else frame(BINARY, bytes(data)))
        elif self.state == "open" and kind == "websocket.close":
            await self.close(message.get("code") or NORMAL, message.get("reason") or "")
        else:
            raise RuntimeError(f"a message that is not expected here: {kind}")

    async def accept(self, message):
        fields, chosen = [], message.get("subprotocol")
        if chosen is not None:
            if chosen not in subprotocols(self.head):
                raise ValueError(f"the client has not offered the subprotocol {chosen!r}")
            fields.append(b"Sec-WebSocket-Protocol: %s\r\n" % chosen.encode("latin-1"))
        for name, value in message.get("headers") or ():
            name, value = bytes(name), bytes(value)
            http.check_field(name, value)
            if name.lower() == b"sec-websocket-protocol":
                raise ValueError("a subprotocol is said with subprotocol, not as a header")
            if name.lower() not in http.HOP_BY_HOP:
                fields.append(b"%s: %s\r\n" % (name, value))
        proof = base64.b64encode(hashlib.sha1(self.head.get(b"sec-websocket-key") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.state = "open"
        self.task.cancel()
        await self.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n%s\r\n" % (
            proof, b"".join(fields)))
        self.task = asyncio.create_task(self.read())
        self.accepted()

    def deny(self):
        self.state = "denied"
        self.task.cancel()

    async def write(self, data):
        self.news()
        self.writer.write(data)
        try:
            await self.writer.drain()
        except ConnectionError:
            self.end(ABNORMAL, "")
            raise Gone("the client has left") from None

    async def close(self, code, reason):
        """Sends a close frame. Nothing follows it, and what comes is for nobody."""
        if self.said or self.over is not None:
            return
        self.said = True
        self.end(code, reason)
        try:
            await self.write(close_frame(code, reason))
        except Gone:
            pass

    async def finish(self):
        """Waits for the client's part of the end, when the app has returned."""
        if self.state == "open":
            await asyncio.wait({self.task}, timeout=CLOSE_SECONDS)
        self.task.cancel()

    def end(self, code, reason):
        """Notes that the connection is over, and why. The first reason stays."""
        if self.over is None:
            self.over = (code, reason)
        self.came.set()
        self.room.set()

    # The client's side.

    async def watch(self):
        """Sees the client leave before its request is answered."""
        await self.reader.left.wait()
        self.end(ABNORMAL, "")

    async def read(self):
        try:
            await Frames(self).read()
        except Breach as breach:
            await self.close(breach.code, str(breach))
            # What is on its way is read, or the client would get a reset in the place of the close frame.
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    while await self.reader.read(PIECE_BYTES):
                        pass
            except (TimeoutError, OSError):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            self.end(ABNORMAL, "")

    async def put(self, message, size):
        """Holds a message for the app. It waits while too much is held."""
        while self.over is None and (self.held >= QUEUE_BYTES or len(self.queue) >= QUEUE_MESSAGES):
            self.room.clear()
            await self.room.wait()
        if self.over is None:
            self.queue.append((message, size))
            self.held += size
            self.came.set()


class Frames:
    """The client's frames, put together to messages."""

    def __init__(self, socket):
        self.socket, self.reader = socket, socket.reader
        self.opcode = None  # of the message that is not complete
        self.parts, self.size, self.decoder = [], 0, None

    async def read(self):
        """Reads until the client's close frame."""
        while True:
            first, second = await self.reader.readexactly(2)
            final, opcode, length = first & 0x80, first & 0x0F, second & 0x7F
            if first & 0x70:
                raise Breach(PROTOCOL, "reserved bits are set")
            if not second & 0x80:
                raise Breach(PROTOCOL, "a frame is not masked")
            if opcode in (CLOSE, PING, PONG):
                if not final or length > 125:
                    raise Breach(PROTOCOL, "a control frame is long, or a fragment")
                mask = await self.reader.readexactly(4)
                if await self.control(opcode, unmasked(await self.reader.readexactly(length), mask, 0)):
                    return
            elif opcode in (CONTINUATION, TEXT, BINARY):
                await self.data(final, opcode, length)
            else:
                raise Breach(PROTOCOL, f"opcode {opcode} has no meaning")

    async def control(self, opcode, data):
        """Acts on a control frame. True: it was the close frame."""
        if opcode == CLOSE:
            code, reason = self.closing(data)
            answers = not self.socket.said
            self.socket.said = True
            self.socket.end(code, reason)
            if answers:
                await self.quiet(close_frame(code, ""))
            return True
        if opcode == PING and not self.socket.said:
            await self.quiet(frame(PONG, data))
        return False

    async def quiet(self, data):
        try:
            await self.socket.write(data)
        except Gone:
            pass

    @staticmethod
    def closing(data):
        """What is in a close frame."""
        if not data:
            return NO_CODE, ""
        code = int.from_bytes(data[:2], "big")
        if len(data) < 2 or not (code in TOLD or 3000 <= code <= 4999):
            raise Breach(PROTOCOL, "a close frame has no code that may be there")
        try:
            return code, data[2:].decode()
        except UnicodeDecodeError:
            raise Breach(NOT_UTF8, "the reason of a close frame is no UTF-8") from None

    async def data(self, final, opcode, length):
        """Takes a frame of a message."""
        if (opcode == CONTINUATION) != (self.opcode is not None):
            raise Breach(PROTOCOL, "a continuation of nothing, or a message within a message")
        if opcode != CONTINUATION:
            self.opcode, self.parts, self.size = opcode, [], 0
            self.decoder = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        if length >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        if length >> 63:
            raise Breach(PROTOCOL, "a length that is none")
        self.size += length
        if self.size > MESSAGE_BYTES:
            raise Breach(TOO_BIG, f"a message is longer than {MESSAGE_BYTES} bytes")
        mask, at = await self.reader.readexactly(4), 0
        while at < length or not length:
            piece = await self.reader.readexactly(min(PIECE_BYTES, length - at))
            self.take(unmasked(piece, mask, at), final and at + len(piece) == length)
            at += len(piece)
            if at == length:
                break
        if final:
            await self.whole()

    def take(self, piece, last):
        """Takes a piece of a payload. Text is decoded as it comes, so that it fails early."""
        if self.socket.over is not None:
            return  # for nobody
        if self.decoder is not None:
            try:
                piece = self.decoder.decode(piece, last)
            except UnicodeDecodeError:
                raise Breach(NOT_UTF8, "a text is no UTF-8") from None
        if piece:
            self.parts.append(piece)

    async def whole(self):
        """Gives a complete message to the app."""
        empty, key = ("", "text") if self.opcode == TEXT else (b"", "bytes")
        message = {"type": "websocket.receive", key: empty.join(self.parts)}
        self.opcode, self.parts = None, []
        await self.socket.put(message, self.size)
