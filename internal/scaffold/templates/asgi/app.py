import os


async def app(scope, receive, send):
    assert scope["type"] == "http"
    found = scope["path"] == "/"
    text = f"Hello from worker {os.environ['WORKER_ID']}.\n" if found else "There is no such page.\n"
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})
