// The worker's server with Bun.serve: for fetch under Bun.
import { fieldOf, say, traceOf } from './errors.mjs';

const LOOK_MS = 2; // between two looks whether an answer is out

const serve = globalThis.Bun?.serve; // an app's Bun.serve is another (apps.mjs)

// Running is what Life has to know of a request. What is seldom asked is found out then.
class Running {
  constructor(request, failed) {
    this.request = request;
    this.failed = failed; // makes an answer of an error
    this.answer = null; // gives an answer instead of the app's, once that is waited for
  }

  get id() {
    return idOf(this.request);
  }

  fail(error) {
    const answer = this.failed(error, this.request);
    this.answer?.(answer);
  }
}

export class BunServer {
  #app;
  #life;
  #bun;
  #failed = (error, request) => this.#fail(error, request);

  constructor(app, life) {
    this.#app = app;
    this.#life = life;
  }

  async listen(path) {
    this.#bun = serve({
      unix: path,
      idleTimeout: 0, // ripd closes idle connections, never the worker
      maxRequestBodySize: Number.MAX_SAFE_INTEGER, // ripd has the limit
      development: false,
      websocket: this.#app.state.handler?.websocket ?? { message() {} },
      fetch: (request) => this.#take(request),
      error: (error) => this.#fail(error, null),
    });
  }

  close() {}

  // busy: the answers that Bun still sends.
  busy() {
    return this.#bun.pendingRequests > 0;
  }

  // A handler that answers at once costs no promise.
  #take(request) {
    if (this.#life.full) return busy();
    const running = new Running(request, this.#failed);
    const turn = this.#life.begin(request, running);
    const wait = turn ? turn.then(() => this.#app.refresh()) : this.#app.refresh();
    if (wait) return this.#later(running, wait.then(() => this.#answer(request)));
    let response;
    try {
      response = this.#answer(request);
    } catch (error) {
      response = this.#fail(error, request);
    }
    if (typeof response?.then === 'function') return this.#later(running, response);
    this.#end(request);
    return response;
  }

  // later gives the answer when it is there, or when an error that belongs to no call
  // takes its place.
  #later(running, answer) {
    const { request } = running;
    return new Promise((resume) => {
      const settle = (response) => {
        this.#end(request);
        resume(response);
      };
      running.answer = settle;
      answer.then(settle, (error) => settle(this.#fail(error, request)));
    });
  }

  #end(request) {
    if (this.#life.serial) this.#endWhenOut(request);
    else this.#life.end(request, this.#app.worn);
  }

  // endWhenOut waits for the end of a stream, which begins when its Response is
  // there. Bun tells only how many answers are not out.
  #endWhenOut(request) {
    const look = () => {
      if (this.#bun.pendingRequests > this.#life.waiting) setTimeout(look, LOOK_MS);
      else this.#life.end(request, this.#app.worn);
    };
    setImmediate(look);
  }

  #answer(request) {
    const { handler, broken } = this.#app.state;
    // The app has become one of (req, res), which needs the other server: ripd
    // gives the request to another worker.
    if (handler && !handler.fetch) return this.#life.leave(0).then(busy);
    if (broken) return text(500, { 'Rip-Worker-Error': fieldOf(broken) }, 'the app could not be loaded\n');
    const response = handler.fetch(asSeen(request), this.#bun);
    return typeof response?.then === 'function' ? response.then((it) => this.#reported(it)) : this.#reported(response);
  }

  // reported is the answer once ripd knows which files its request has loaded.
  #reported(response) {
    const told = this.#app.reports ? this.#app.report() : null;
    return told ? told.then(() => checked(response)) : checked(response);
  }

  #fail(error, request) {
    say(`request ${request ? `${idOf(request)}: ${request.method} ${new URL(request.url).pathname}` : '-'}: ${traceOf(error)}`);
    return text(500, {}, 'internal server error\n');
  }
}

const idOf = (request) => request.headers.get('x-request-id') ?? '-';

function checked(response) {
  if (response === undefined || typeof response?.headers?.get === 'function') return response;
  throw new TypeError(`the app answered with ${String(response)}, which is no Response`);
}

// asSeen has the scheme that the client used. Only Bun's own request can be upgraded.
function asSeen(request) {
  if (request.headers.get('x-forwarded-proto') !== 'https' || !request.url.startsWith('http:') || request.headers.has('upgrade')) return request;
  return new Request(`https:${request.url.slice(5)}`, request);
}

function text(status, fields, body) {
  return new Response(body, { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...fields } });
}

function busy() {
  return text(503, { 'Rip-Worker-Busy': '1' }, 'busy\n');
}
