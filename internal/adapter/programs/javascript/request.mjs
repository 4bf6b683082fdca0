// The Request of a fetch function under Node.js. To make node's own takes some 40 µs, most
// of them for its signal and its headers, and many handlers look at nothing but the method
// and the URL: it is made when it is asked for more.
import { Readable } from 'node:stream';

// The runtime's own class: an app may put another in its place.
const NativeRequest = globalThis.Request;

// requestOf gives the Request of what node has read (incoming); its signal is aborted when
// the client leaves before the answer (outgoing) is out.
export function requestOf(incoming, outgoing) {
  LazyRequest ??= lazyRequest() ?? false;
  if (LazyRequest) return new LazyRequest(incoming, outgoing);
  return nativeOf(incoming, signalOf(outgoing));
}

let LazyRequest; // undefined: not looked for; false: this node has no place for it

// Held is what a Request is made of, once for it and for all that an app makes of it with
// Object.create or Proxy, as frameworks do: a private field would not be found there.
class Held {
  #outgoing;
  #href;
  #native;
  #signaled; // a Request that has no more than the signal: clones follow one of node's own

  constructor(incoming, outgoing) {
    this.incoming = incoming;
    this.#outgoing = outgoing;
  }

  get href() {
    return (this.#href ??= hrefOf(this.incoming));
  }

  get made() {
    return (this.#native ??= nativeOf(this.incoming));
  }

  get withSignal() {
    return (this.#signaled ??= new NativeRequest('http://localhost/', { signal: signalOf(this.#outgoing) }));
  }
}

const HELD = Symbol('ripd');

// lazyRequest makes the class, null where it cannot be: what node keeps of a Request has to
// be found under symbols, so that it is found here by all that takes one, as fetch and
// clone do. Later versions of node keep it in private fields.
function lazyRequest() {
  const symbols = Object.getOwnPropertySymbols(new NativeRequest('http://localhost/'));
  const signal = symbols.find((one) => one.description === 'signal');
  if (!signal || !symbols.some((one) => one.description === 'state')) return null;

  class Request {
    constructor(incoming, outgoing) {
      this[HELD] = new Held(incoming, outgoing);
    }

    get method() {
      return this[HELD].incoming.method;
    }

    get url() {
      return this[HELD].href;
    }

    get headers() {
      return this[HELD].made.headers;
    }

    static {
      for (const symbol of symbols) {
        Object.defineProperty(Request.prototype, symbol, { get() { return (symbol === signal ? this[HELD].withSignal : this[HELD].made)[symbol]; } });
      }
      delete Request.prototype.constructor; // node's own is found then
      Object.setPrototypeOf(Request.prototype, NativeRequest.prototype);
    }
  }

  try {
    new NativeRequest(new Request({ method: 'GET', url: '/', headers: {}, rawHeaders: [] }, null), { signal: null });
    return Request;
  } catch {
    return null;
  }
}

function nativeOf(incoming, signal) {
  const { method, rawHeaders } = incoming;
  const fields = [];
  for (let i = 0; i < rawHeaders.length; i += 2) fields.push([rawHeaders[i], rawHeaders[i + 1]]);
  const init = { method, headers: fields };
  if (signal) init.signal = signal;
  if (hasBody(incoming)) {
    init.body = incoming.readable ? Readable.toWeb(incoming) : lost();
    init.duplex = 'half';
  }
  return new NativeRequest(urlOf(incoming), init);
}

// lost is the body that is not here any more: the client has left, or the app has read it
// from node's own request. An empty one would pass for what was sent.
function lost() {
  return new ReadableStream({
    start(controller) {
      controller.error(new TypeError('the body cannot be read any more: the client has left, or it was read already'));
    },
  });
}

function signalOf(outgoing) {
  const left = new AbortController();
  const look = () => {
    if (!outgoing.writableFinished) left.abort();
  };
  if (outgoing?.destroyed) look();
  else outgoing?.once('close', look);
  return left.signal;
}

function hasBody({ method, headers }) {
  if (method === 'GET' || method === 'HEAD') return false;
  const length = headers['content-length'];
  return length !== undefined ? length !== '0' : headers['transfer-encoding'] !== undefined;
}

function urlOf({ headers, url }) {
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  const path = url.startsWith('/') ? url : `/${url}`; // OPTIONS *
  return `${scheme}://${headers.host || 'localhost'}${path}`;
}

// hrefOf is the URL as a Request has it; a Request has no name and password in it.
function hrefOf(incoming) {
  const { href, username, password } = new URL(urlOf(incoming));
  return username || password ? nativeOf(incoming).url : href;
}
