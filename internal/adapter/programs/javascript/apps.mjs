// What an app is: from what its module exports, or from the server on which it
// listens, to one function (req, res) that serves a request.
import http from 'node:http';
import https from 'node:https';
import { answerWithFetch } from './web.mjs';

// The real listen, for the worker's own server.
const listenOf = http.Server.prototype.listen;

const serveOf = globalThis.Bun?.serve;

export async function listenOn(server, path) {
  const replaced = globalThis.Bun?.serve; // Bun's node:http calls it
  if (replaced) Bun.serve = serveOf;
  try {
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      listenOf.call(server, path, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } finally {
    if (replaced) Bun.serve = replaced;
  }
}

// Listening takes the place of listen: the app's server opens nothing. The
// worker gives it the requests that arrive on SOCKET_PATH.
export class Listening {
  #server = null; // the first that listened in this load
  #waiting = [];
  #closed; // told when the app closes its server

  constructor(closed) {
    this.#closed = closed;
    const listening = this;
    const listen = function (...args) {
      listening.#take(this, args);
      return this;
    };
    http.Server.prototype.listen = listen;
    https.Server.prototype.listen = listen;
    if (globalThis.Bun) this.#takeBunServe();
  }

  // begin forgets what listened in an earlier load.
  begin() {
    this.#server = null;
    for (const resume of this.#waiting.splice(0)) resume(null);
  }

  get server() {
    return this.#server;
  }

  // next is the server that listens from now on, null when a new load begins.
  next() {
    return this.#server ? Promise.resolve(this.#server) : new Promise((resume) => this.#waiting.push(resume));
  }

  #take(server, args) {
    const done = args.find((arg) => typeof arg === 'function');
    const address = addressOf(args);
    if (done) server.once('listening', done);
    Object.defineProperty(server, 'listening', { value: true, configurable: true });
    server.address = () => address;
    server.close = (closed) => {
      if (closed) server.once('close', closed);
      this.#closed(() => server.emit('close'));
      return server;
    };
    this.#first(server, address);
    process.nextTick(() => server.emit('listening'));
  }

  #first(server, address) {
    if (this.#server) {
      const first = this.#server.address?.();
      if (first?.port !== address.port) {
        console.error(`the app listens on ${JSON.stringify(address)} too: this is not served, only the first of its servers is`);
      }
      return;
    }
    this.#server = server;
    for (const resume of this.#waiting.splice(0)) resume(server);
  }

  // Bun.serve takes a fetch function; what it gives back looks like a server.
  #takeBunServe() {
    const listening = this;
    globalThis.Bun.serve = (options) => {
      const address = { address: '127.0.0.1', family: 'IPv4', port: Number(options.port ?? process.env.PORT ?? 3000) };
      const server = {
        options,
        address: () => address,
        port: address.port,
        hostname: options.hostname ?? 'localhost',
        url: new URL(`http://localhost:${address.port}/`),
        pendingRequests: 0,
        development: false,
        id: '',
        requestIP: () => null,
        timeout() {},
        ref() {},
        unref() {},
        reload(more) {
          Object.assign(options, more);
        },
        stop: () => new Promise((resume) => listening.#closed(resume)),
      };
      listening.#first(server, address);
      return server;
    };
  }
}

function addressOf(args) {
  const [first, second] = args;
  const options = typeof first === 'object' && first !== null ? first : {};
  const path = options.path ?? (typeof first === 'string' && !/^\d+$/.test(first) ? first : undefined);
  if (path !== undefined) return path;
  const host = options.host ?? (typeof second === 'string' ? second : '127.0.0.1');
  return { address: host === 'localhost' ? '127.0.0.1' : host, family: host.includes(':') ? 'IPv6' : 'IPv4', port: Number(options.port ?? first) || 0 };
}

// appOf finds the app: the server that listens, else what the module exports,
// else whatever listens later. `namespace` is that of the entry.
export async function appOf(namespace, listening, entry) {
  if (listening.server) return serverOf(listening.server);
  for (const candidate of candidates(namespace)) {
    const app = await usable(await candidate);
    if (listening.server) break;
    if (app) return app;
  }
  const late = setTimeout(() => {
    console.error(`${entry} exports no app (a fetch function, a handler, or an app of a framework): waiting until it listens`);
  }, 5000);
  try {
    const server = await listening.next();
    return server && serverOf(server);
  } finally {
    clearTimeout(late);
  }
}

function candidates(namespace) {
  const exported = namespace?.default ?? namespace;
  const all = [exported, exported?.default, exported?.app, exported?.server, exported?.handler];
  if (exported !== namespace) all.push(namespace.app, namespace.server, namespace.handler);
  all.push(typeof namespace?.fetch === 'function' ? { fetch: namespace.fetch } : undefined);
  return all.filter((one) => one !== undefined && one !== null);
}

// usable makes one function of an app, null of what is none.
async function usable(app) {
  if (typeof app !== 'object' && typeof app !== 'function') return null;
  if (app === null) return null;
  if (typeof app.listeners === 'function' && typeof app.listen === 'function' && app.listeners('request').length > 0) return serverOf(app);
  if (typeof app.fetch === 'function') return fetchOf(app);
  if (typeof app.ready === 'function' && typeof app.routing === 'function') {
    await app.ready(); // Fastify: its plugins load now
    return (req, res) => app.routing(req, res);
  }
  if (typeof app.callback === 'function' && typeof app.use === 'function') return app.callback(); // Koa
  if (typeof app !== 'function' || /^class\b/.test(Function.prototype.toString.call(app))) return null;
  if (typeof app.handle === 'function' || app.length >= 2 && app.name !== 'fetch') return app; // Express, Connect, (req, res)
  return fetchOf({ fetch: app });
}

function fetchOf(app) {
  const fetch = globalThis.Bun && app.routes ? routed(app) : (request, env) => app.fetch(request, env);
  const serve = (req, res) => answerWithFetch(fetch, req, res);
  serve.fetch = fetch;
  serve.websocket = app.websocket;
  return serve;
}

// Requests go to the listeners themselves: emit would lose what async ones return.
function serverOf(server) {
  if (server.options) return fetchOf(server.options); // of Bun.serve
  const serve = (req, res) => {
    const answers = server.listeners('request').map((listener) => listener.call(server, req, res));
    return answers.length === 1 ? answers[0] : Promise.all(answers);
  };
  serve.upgrade = (req, socket, head) => server.emit('upgrade', req, socket, head);
  serve.upgrades = () => server.listenerCount('upgrade') > 0;
  return serve;
}

// routed answers as Bun.serve does with `routes`: exact paths, :parameters and
// a wildcard at the end; the most exact one wins.
function routed(app) {
  const routes = Object.entries(app.routes).map(([path, answer]) => ({ ...pattern(path), answer }));
  routes.sort((a, b) => b.rank - a.rank);
  return async (request, env) => {
    const { pathname } = new URL(request.url);
    for (const { match, answer } of routes) {
      const found = match.exec(pathname);
      const reply = found && pick(answer, request.method);
      if (!reply) continue;
      if (typeof reply !== 'function') return reply.clone();
      const params = Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]));
      Object.defineProperty(request, 'params', { value: params });
      return reply(request, env);
    }
    return app.fetch ? app.fetch(request, env) : new Response('not found', { status: 404 });
  };
}

function pick(answer, method) {
  if (typeof answer === 'function' || answer instanceof Response) return answer;
  return answer?.[method] ?? null;
}

function pattern(path) {
  const source = path.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/:(\w+)/g, '(?<$1>[^/]+)').replace(/\*$/, '.*');
  const rank = path.endsWith('*') ? path.length : 1000 + path.length - 500 * (path.match(/:/g)?.length ?? 0);
  return { match: new RegExp(`^${source}$`), rank };
}
