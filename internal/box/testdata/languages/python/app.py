import os
import socket
import subprocess
from urllib.parse import parse_qs


def child():
    return subprocess.run(["true"]).returncode == 0


def write(path):
    with open(path, "w") as file:
        file.write("written")
    return "written"


def connect(address):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=2):
        return "connected"


def credential(name):
    with open(os.path.join(os.environ["CREDENTIALS_DIRECTORY"], name)) as file:
        return file.read() + " " + os.environ["FROM_CREDENTIAL"]


def namespace(_):
    # What Chrome does for its sandbox: namespaces, and another root.
    command = ["unshare", "--user", "--map-root-user", "--pid", "--net", "--fork", "chroot", "/", "true"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr or "made"


WAYS = {"/write": write, "/connect": connect, "/credential": credential, "/namespace": namespace}


def app(environ, start_response):
    way = WAYS.get(environ["PATH_INFO"])
    try:
        text = way(parse_qs(environ["QUERY_STRING"]).get("of", [""])[0]) if way else f"child={child()}"
    except OSError as problem:
        text = f"{type(problem).__name__}: {problem}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
