"""HTTP/1.1 (RFC 9112) as ripd's adapters for Python need it: heads and bodies."""

HEAD_BYTES = 1 << 20  # ripd's own limit is lower; this one is for when it is run by hand
LINE_BYTES = 8192  # of a chunk's size with its extensions, or a trailer

# Reasons of statuses, where an app gives a number alone.
REASONS = {
    100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
    206: "Partial Content", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 413: "Content Too Large",
    415: "Unsupported Media Type", 422: "Unprocessable Content", 426: "Upgrade Required", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}


class Bad(Exception):
    """A message that is not HTTP, or more than is taken. Its status is the answer."""

    def __init__(self, status, problem):
        super().__init__(problem)
        self.status = status


class Head:
    """The head of a request. Names are in lower case; all is bytes."""

    __slots__ = ("method", "target", "path", "query", "minor", "fields", "length", "chunked", "keep", "expects")

    def __init__(self, data):
        lines = data.split(b"\r\n")
        parts = lines[0].split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1.") or not parts[2][7:].isdigit():
            raise Bad(400, "the first line is not that of a request")
        self.method, self.target, self.minor = parts[0], parts[1], int(parts[2][7:])
        self.fields, self.length, self.chunked, self.expects = [], None, False, False
        self.keep = self.minor > 0
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or name[0] in b" \t" or name[-1] in b" \t":
                raise Bad(400, "a line of the head is no field")
            name, value = name.lower(), value.strip(b" \t")
            if b"\r" in value or b"\n" in value or b"\0" in value:
                raise Bad(400, "a control character in a field")
            self.fields.append((name, value))
            if name in FRAMING:
                self.frame(name, value)
        if self.chunked and self.length is not None:
            raise Bad(400, "a length and chunks at once")
        target = self.target
        if not target.startswith(b"/") and b"://" in target:  # absolute-form, RFC 9112 3.2.2
            _, slash, rest = target.partition(b"://")[2].partition(b"/")
            target = slash + rest or b"/"
        self.path, _, self.query = target.partition(b"?")

    def frame(self, name, value):
        if name == b"content-length":
            if not value.isdigit() or self.length not in (None, int(value)):
                raise Bad(400, "the length is no number")
            self.length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or self.chunked:
                raise Bad(501, "a transfer coding other than chunked")
            self.chunked = True
        elif name == b"expect":
            self.expects = value.lower() == b"100-continue"
        else:
            options = [option.strip() for option in value.lower().split(b",")]
            if b"close" in options:
                self.keep = False
            elif b"keep-alive" in options:
                self.keep = True

    def get(self, name):
        """The first value of a field, b"" without one."""
        for known, value in self.fields:
            if known == name:
                return value
        return b""

    def request_id(self):
        return self.get(b"x-request-id").decode("latin-1")

    def what(self):
        return (self.method + b" " + self.target).decode("latin-1")


FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"expect"}


def chunk_size(line):
    """The size in a chunk's first line (RFC 9112 7.1)."""
    size = line.partition(b";")[0].strip(b" \t")
    if not size or len(size) > 15 or not all(c in b"0123456789abcdefABCDEF" for c in size):
        raise Bad(400, "a chunk's size is no number")
    return int(size, 16)


def has_body(method, status):
    """Whether an answer may have a body (RFC 9110 6.4.1)."""
    return method != b"HEAD" and status >= 200 and status not in (204, 304)


LAST_CHUNK = b"0\r\n\r\n"


class Framing:
    """How an answer says where its body ends: by a length, in chunks, or by the connection's end."""

    left = None  # of the length that was said
    chunked = body = False

    def __init__(self, head):
        self.head, self.keep = head, head.keep

    def announce(self, value):
        """Takes the app's own Content-Length."""
        if not value.isdigit() or self.left not in (None, int(value)):
            raise ValueError(f"this is no length of a body, or a second one: {value!r}")
        self.left = int(value)

    def framed(self, status, length):
        """The fields that say it. length is that of the body when it is known."""
        said = b""
        self.body = has_body(self.head.method, status)
        if self.left is None and length is not None and status >= 200 and status not in (204, 304):
            if length or self.head.method != b"HEAD":
                self.left = length
                said = b"Content-Length: %d\r\n" % length
        elif self.left is None and self.body:
            self.chunked = self.head.minor > 0
            self.keep = self.keep and self.chunked
            said = b"Transfer-Encoding: chunked\r\n" if self.chunked else b""
        return said if self.keep else said + b"Connection: close\r\n"

    def piece(self, data):
        """A piece of the body as it is sent."""
        if not self.body or not data:
            return b""
        if self.chunked:
            return b"%x\r\n%s\r\n" % (len(data), data)
        if self.left is not None:
            if len(data) > self.left:
                data = self.cut(data)
            self.left -= len(data)
        return data

    def cut(self, data):
        """What is sent of a piece that is longer than the length leaves room for."""
        raise RuntimeError("the body is longer than its Content-Length")


def check_field(name, value):
    """Refuses a field that would break the answer's head."""
    if not name or any(c <= 32 or c == 127 or c == 58 for c in name) or b"\r" in value or b"\n" in value or b"\0" in value:
        raise ValueError(f"this is no header field: {name!r}: {value!r}")


# Fields that speak of the connection and are ripd's affair, not the app's
# (RFC 9110 7.6.1).
HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}


def plain(status, text, close, extra=b""):
    """A whole small answer."""
    body = text.encode() + b"\n"
    return b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n%sContent-Length: %d\r\n%s\r\n%s" % (
        status, REASONS.get(status, "").encode(), extra, len(body), b"Connection: close\r\n" if close else b"", body)


def broken(error_header, close):
    """The answer to a request that meets code which does not load."""
    return plain(500, "The app does not load.", close, b"Rip-Worker-Error: " + error_header.encode() + b"\r\n")
