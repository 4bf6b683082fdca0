"""A small Flask app, to be replaced by yours."""

import os

from flask import Flask, request

app = Flask(__name__)


@app.after_request
def plain_text(response):
    response.mimetype = "text/plain"
    return response


@app.get("/ping")
def ping():
    return "pong\n"


@app.get("/")
def index():
    worker = os.environ.get("WORKER_ID", "?")
    name = os.environ.get("APP_NAME", "?")
    return f"Flask in worker {worker} of {name}, request {request.headers.get('X-Request-Id')}\n"


@app.post("/echo")
def echo():
    return request.get_data()
