"""A small FastAPI app, to be replaced by yours."""

import os

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

app = FastAPI(default_response_class=PlainTextResponse)


@app.get("/ping")
async def ping():
    return "pong\n"


@app.get("/")
async def index(request: Request):
    worker = os.environ.get("WORKER_ID", "?")
    name = os.environ.get("APP_NAME", "?")
    return f"FastAPI in worker {worker} of {name}, request {request.headers.get('X-Request-Id')}\n"


@app.post("/echo")
async def echo(request: Request):
    return PlainTextResponse(await request.body())
