"""The endpoints that languages_test.go asks for, inside of wsgiref.validate."""

import os
import time
from wsgiref.validate import validator

import settings  # noqa: F401

PLAIN = [("Content-Type", "text/plain")]


def duplex(environ):
    read = environ["wsgi.input"]
    while line := read.readline():
        yield line


def late():
    yield b"begun\n"
    raise ValueError("late boom")


def hold(environ):
    name = environ["HTTP_X_TEST"]
    open(name + ".in", "w").close()
    while not os.path.exists(name + ".out"):
        time.sleep(0.005)
    return [b"held\n"]


def checked(environ, start_response):
    path = environ["PATH_INFO"]
    status, headers, body = "200 OK", list(PLAIN), []
    if path in ("/env", "/caf\xc3\xa9"):
        keys = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "HTTP_X_TEST",
                "HTTP_COOKIE", "CONTENT_TYPE", "wsgi.url_scheme")
        body = ["|".join(environ.get(key, "") for key in keys).encode("latin-1")]
    elif path == "/echo":
        body = [environ["wsgi.input"].read(-1)]
    elif path == "/duplex":
        body = duplex(environ)
    elif path in ("/ignore", "/list"):
        body = [b"one piece"]
    elif path == "/stream":
        body = iter([b"a", b"b", b"c"])
    elif path == "/204":
        status, headers = "204 No Content", []
    elif path == "/304":
        status, headers = "304 Not Modified", []
    elif path == "/headers":
        headers += [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        body = [b"cookies"]
    elif path == "/boom":
        raise ValueError("boom")
    elif path == "/late":
        body = late()
    elif path == "/hold":
        body = hold(environ)
    elif path == "/lazy":
        import parts_lazy
        body = [parts_lazy.TEXT.encode()]
    else:
        status, body = "404 Not Found", [b"nothing here"]
    start_response(status, headers)
    return body


def unchecked(environ, start_response):
    """What the validator would not let pass, or would hide."""
    path = environ["PATH_INFO"]
    if path == "/list":
        start_response("200 OK", list(PLAIN))
        return [b"one piece"]
    if path == "/short":
        start_response("200 OK", PLAIN + [("Content-Length", "10")])
        return [b"short"]
    if path == "/long":
        start_response("200 OK", PLAIN + [("Content-Length", "4")])
        return [b"longer"]
    if path == "/hop":
        start_response("200 OK", PLAIN + [("Connection", "close")])
        return [b"x"]
    if path == "/nothing":
        return [b"x"]
    if path == "/write":
        write = start_response("200 OK", list(PLAIN))
        write(b"written ")
        return [b"and returned"]
    return valid(environ, start_response)


valid = validator(checked)
app = unchecked
