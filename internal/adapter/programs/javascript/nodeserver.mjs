// The worker's server with node:http: for (req, res) handlers under Node.js and
// Bun, and for fetch under Node.js.
import http from 'node:http';
import { listenOn } from './apps.mjs';
import { fieldOf, say, traceOf } from './errors.mjs';

const HEAD_MAX = 64 << 10; // bytes; ripd's own limit is 32 KB

// Running is what Life has to know of a request. What is seldom asked is found out then.
class Running {
  constructor(req, res, failed) {
    this.req = req;
    this.res = res;
    this.failed = failed;
  }

  get id() {
    return idOf(this.req);
  }

  fail(error) {
    this.failed(error, this.req, this.res);
  }
}

export class NodeServer {
  #app;
  #life;
  #http;
  #failed = (error, req, res) => this.#fail(error, req, res);
  #closed; // the listener of all answers, which is called on one
  #upgraded = new Set(); // sockets that speak another protocol

  constructor(app, life) {
    this.#app = app;
    this.#life = life;
    this.#closed = function () {
      life.end(this, app.worn);
    };
    this.#http = http.createServer({ maxHeaderSize: HEAD_MAX }, (req, res) => this.#take(req, res));
    // ripd closes idle connections, never the worker; and ripd has the time limits.
    this.#http.keepAliveTimeout = 0;
    this.#http.headersTimeout = 0;
    this.#http.requestTimeout = 0;
    this.#http.timeout = 0;
    this.#http.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head));
  }

  listen(path) {
    return listenOn(this.#http, path);
  }

  close() {
    if (this.#http.listening) this.#http.close();
    this.#http.closeIdleConnections?.();
  }

  busy() {
    return this.#upgraded.size > 0; // an answer runs until its last byte is out
  }

  #take(req, res) {
    res.sendDate = false;
    if (this.#life.full) return busy(res);
    const turn = this.#life.begin(res, new Running(req, res, this.#failed));
    res.on('close', this.#closed);
    if (turn) turn.then(() => this.#start(req, res));
    else this.#start(req, res);
  }

  #start(req, res) {
    const wait = this.#app.refresh();
    if (wait) wait.then(() => this.#answer(req, res));
    else this.#answer(req, res);
  }

  // A handler that answers at once costs no promise.
  #answer(req, res) {
    const { handler, broken } = this.#app.state;
    if (broken) return sendText(res, 500, { 'Rip-Worker-Error': fieldOf(broken) }, 'the app could not be loaded\n');
    if (this.#app.reports) this.#holdEnd(res);
    try {
      const answered = handler(req, res);
      if (typeof answered?.then === 'function') answered.then(undefined, (error) => this.#fail(error, req, res));
    } catch (error) {
      this.#fail(error, req, res);
    }
  }

  // holdEnd keeps an answer from being complete before ripd knows which files
  // its request has loaded.
  #holdEnd(res) {
    const { end } = res;
    res.end = (...args) => {
      res.end = end;
      const told = this.#app.report();
      if (!told) return end.apply(res, args);
      told.then(() => end.apply(res, args));
      return res;
    };
  }

  #fail(error, req, res) {
    say(`request ${idOf(req)}: ${req.method} ${req.url}: ${traceOf(error)}`);
    if (res.headersSent) {
      if (!res.writableFinished) res.destroy(); // must not look complete
      return;
    }
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    res.statusMessage = ''; // node's own for this status
    sendText(res, 500, {}, 'internal server error\n');
  }

  #upgrade(req, socket, head) {
    const { handler } = this.#app.state;
    if (handler?.upgrades?.()) {
      this.#upgraded.add(socket); // ripd ends them before it ends the worker
      socket.once('close', () => this.#upgraded.delete(socket));
      handler.upgrade(req, socket, head);
    } else socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  }
}

const idOf = (req) => req.headers['x-request-id'] ?? '-';

function sendText(res, status, fields, text) {
  res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(text), ...fields }).end(text);
}

function busy(res) {
  sendText(res, 503, { 'Rip-Worker-Busy': '1' }, 'busy\n');
}
