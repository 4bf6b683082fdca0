"""The endpoints that languages_test.go asks for, inside of a checker of ASGI."""

import asyncio
import os

import settings  # noqa: F401

PLAIN = [(b"content-type", b"text/plain")]


class Wrong(AssertionError):
    pass


def must(condition, problem):
    if not condition:
        print("ASGI:", problem, flush=True)
        raise Wrong(problem)


def check_scope(scope):
    types = {
        "type": str, "asgi": dict, "http_version": str, "method": str, "scheme": str, "path": str, "raw_path": bytes,
        "query_string": bytes, "root_path": str, "headers": list, "state": dict,
    }
    for key, kind in types.items():
        must(type(scope.get(key)) is kind, f"scope[{key!r}] is {scope.get(key)!r}")
    must(scope["asgi"]["version"] == "3.0", "version")
    must(scope["method"] == scope["method"].upper(), "method")
    must(scope["http_version"] in ("1.0", "1.1"), "http_version")
    for name, value in scope["headers"]:
        must(type(name) is bytes and type(value) is bytes and name == name.lower(), f"header {name!r}: {value!r}")
    for key in ("client", "server"):
        at = scope[key]
        must(at is None or type(at[0]) is str and (at[1] is None or type(at[1]) is int), f"{key} {at!r}")


def checker(app):
    """Checks what the server gives, and the order of its events."""
    async def checked(scope, receive, send):
        if scope["type"] == "lifespan":
            return await app(scope, receive, send)
        check_scope(scope)
        state = {"complete": False}

        async def checked_receive():
            message = await receive()
            must(message["type"] in ("http.request", "http.disconnect"), message)
            if message["type"] == "http.request":
                must(not state["complete"], "a body after its end")
                must(type(message.get("body", b"")) is bytes, "body")
                state["complete"] = not message.get("more_body", False)
            return message

        await app(scope, checked_receive, send)
    return checked


async def whole(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def serve(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    path, headers = scope["path"], dict(scope["headers"])

    async def answer(body, status=200, fields=PLAIN):
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    if path in ("/env", "/café"):
        values = [
            scope["method"], scope["path"], scope["query_string"].decode(), scope["server"][0], str(scope["server"][1]),
            scope["client"][0] if scope["client"] else "", headers.get(b"x-test", b"").decode(),
            headers.get(b"cookie", b"").decode(), headers.get(b"content-type", b"").decode(), scope["scheme"],
        ]
        await answer("|".join(values).encode())
    elif path == "/echo":
        await answer(await whole(receive))
    elif path == "/duplex":
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})
    elif path in ("/ignore", "/list"):
        await answer(b"one piece")
    elif path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        for piece in (b"a", b"b", b"c"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
    elif path in ("/204", "/304"):
        await answer(b"", int(path[1:]), [])
    elif path == "/headers":
        await answer(b"cookies", 200, PLAIN + [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    elif path == "/boom":
        raise ValueError("boom")
    elif path == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
        raise ValueError("late boom")
    elif path == "/short":
        await answer(b"short", 200, PLAIN + [(b"content-length", b"10")])
    elif path == "/hold":
        name = headers[b"x-test"].decode()
        open(name + ".in", "w").close()
        while not os.path.exists(name + ".out"):
            await asyncio.sleep(0.005)
        await answer(b"held\n")
    elif path == "/lazy":
        import parts_lazy
        await answer(parts_lazy.TEXT.encode())
    elif path == "/state":
        await answer(str(scope["state"].get("started")).encode())
    elif path == "/wait":
        await whole(receive)
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.body", "body": b"waiting\n", "more_body": True})
        message = await receive()
        open(headers[b"x-test"].decode(), "w").write(message["type"])
    else:
        await answer(b"nothing here", 404)


async def lifespan(scope, receive, send):
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            if os.environ.get("FAIL_STARTUP"):
                await send({"type": "lifespan.startup.failed", "message": "no data base"})
                return
            scope["state"]["started"] = "yes"
            await send({"type": "lifespan.startup.complete"})
        else:
            print("lifespan: shut down", flush=True)
            await send({"type": "lifespan.shutdown.complete"})
            return


app = checker(serve)
