import os


def app(environ, start_response):
    found = environ["PATH_INFO"] == "/"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain")])
    return [f"Hello from worker {os.environ['WORKER_ID']}.\n".encode() if found else b"There is no such page.\n"]
