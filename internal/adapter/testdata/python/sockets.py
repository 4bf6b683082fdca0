"""WebSockets that websocket_test.go asks for, as an ASGI app without a framework."""

import asyncio
import json

MARK = "first"


def note(scope, text):
    """Adds a line to the file that the client names."""
    name = dict(scope["headers"]).get(b"x-test")
    if name:
        with open(name.decode(), "a") as file:
            file.write(text + "\n")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        return await send({"type": "http.response.body", "body": MARK.encode()})
    try:
        await socket(scope, receive, send)
    except asyncio.CancelledError:
        note(scope, "cancelled")
        raise


async def socket(scope, receive, send):
    assert (await receive()) == {"type": "websocket.connect"}
    path = scope["path"]
    if path == "/403":
        return await send({"type": "websocket.close"})
    if path == "/404":
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"x-own", b"yes")]})
        await send({"type": "websocket.http.response.body", "body": b"no such ", "more_body": True})
        return await send({"type": "websocket.http.response.body", "body": b"room"})
    if path == "/500":
        raise ValueError("before the answer")
    if path == "/nothing":
        return
    if path == "/never":
        note(scope, "asked")
        return note(scope, json.dumps(await receive()))
    if path == "/chosen":
        await send({"type": "websocket.accept", "subprotocol": "second", "headers": [(b"x-own", b"yes")]})
        told = {key: scope[key] for key in ("type", "scheme", "path", "subprotocols", "http_version", "extensions")}
        return await send({"type": "websocket.send", "text": json.dumps(told)})
    await send({"type": "websocket.accept"})
    if path == "/late":
        raise ValueError("behind the answer")
    if path == "/close":
        await send({"type": "websocket.close", "code": 4001, "reason": "ö" * 100})
        return note(scope, json.dumps(await receive()))
    if path == "/stuck":
        note(scope, "accepted")
        await asyncio.sleep(3600)
    if path == "/flood":
        sent = 0
        try:
            while True:
                await send({"type": "websocket.send", "bytes": b"x" * 65536})
                sent += 1
                note(scope, str(sent))
        except OSError as error:
            return note(scope, f"{type(error).__name__}: {error}")
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return note(scope, json.dumps(message))
        if message.get("text") == "mark":
            message["text"] = MARK
        await send({**message, "type": "websocket.send"})
