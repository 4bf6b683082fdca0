// The worker's server with Bun.serve: for fetch under Bun.
import { fieldOf, say, traceOf } from './errors.mjs';

const LOOK_MS = 2; // between two looks whether an answer is out

const serve = globalThis.Bun?.serve; // an app's Bun.serve is another (apps.mjs)

export class BunServer {
  #app;
  #life;
  #bun;

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

  async #take(request) {
    if (this.#life.full) return busy();
    let failed;
    const late = new Promise((resume) => (failed = resume));
    const turn = this.#life.begin(request, { id: idOf(request), fail: (error) => failed(this.#fail(error, request)) });
    if (turn) await turn;
    try {
      return await Promise.race([this.#answer(request), late]);
    } catch (error) {
      return this.#fail(error, request);
    } finally {
      if (this.#life.serial) this.#endWhenOut(request);
      else this.#life.end(request, this.#app.worn);
    }
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

  async #answer(request) {
    const wait = this.#app.refresh();
    if (wait) await wait;
    const { handler, broken } = this.#app.state;
    if (handler && !handler.fetch) {
      // The app has become one of (req, res), which needs the other server: ripd
      // gives the request to another worker.
      await this.#life.leave(0);
      return busy();
    }
    if (broken) return text(500, { 'Rip-Worker-Error': fieldOf(broken) }, 'the app could not be loaded\n');
    const response = await handler.fetch(asSeen(request), this.#bun);
    if (this.#app.reports) await this.#app.report();
    if (response !== undefined && typeof response?.headers?.get !== 'function') {
      throw new TypeError(`the app answered with ${String(response)}, which is no Response`);
    }
    return response;
  }

  #fail(error, request) {
    say(`request ${request ? `${idOf(request)}: ${request.method} ${new URL(request.url).pathname}` : '-'}: ${traceOf(error)}`);
    return text(500, {}, 'internal server error\n');
  }
}

const idOf = (request) => request.headers.get('x-request-id') ?? '-';

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
