// Between node:http and fetch: a Request from what node parsed, and a Response
// written as node writes it.
import { requestOf } from './request.mjs';

// Where node keeps what a Response was made of; undefined in versions that keep it elsewhere.
const STATE = Object.getOwnPropertySymbols(new Response()).find((one) => one.description === 'state');

// Connection fields are this server's business, not an app's.
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);
// fetch does not know these methods.
const NOT_FETCH = new Set(['CONNECT', 'TRACE', 'TRACK']);

// answerWithFetch serves one request by a fetch function.
export async function answerWithFetch(fetch, req, res) {
  if (NOT_FETCH.has(req.method)) {
    res.writeHead(405, { 'Content-Type': 'text/plain' }).end('method not allowed\n');
    return;
  }
  const response = await fetch(requestOf(req, res), { incoming: req, outgoing: res });
  if (res.headersSent || res.writableEnded) return; // the app took node's own response
  if (!isResponse(response)) throw new TypeError(`the app answered with ${describe(response)}, which is no Response`);
  await writeResponse(response, req, res);
}

function isResponse(value) {
  return typeof value === 'object' && value !== null && typeof value.status === 'number' && typeof value.headers?.forEach === 'function';
}

function describe(value) {
  return value === null || typeof value !== 'object' ? String(value) : value.constructor?.name || 'an object';
}

async function writeResponse(response, req, res) {
  const { status, statusText, body } = response;
  const fields = fieldsOf(response.headers);
  res.statusCode = status;
  if (statusText) res.statusMessage = statusText;
  for (const name in fields) res.setHeader(name, fields[name]);
  if (!body) {
    if (bodyLess(status, req.method) || fields['content-length'] !== undefined) res.end();
    else res.setHeader('content-length', '0').end();
    return;
  }
  if (bodyLess(status, req.method)) {
    res.end();
    await body.cancel().catch(() => {});
    return;
  }
  const whole = wholeOf(response);
  if (whole !== undefined) {
    if (fields['content-length'] === undefined) res.setHeader('content-length', String(Buffer.byteLength(whole)));
    res.end(whole);
    return;
  }
  await writeBody(body, res, fields['content-length'] === undefined);
}

const bodyLess = (status, method) => method === 'HEAD' || status === 204 || status === 304;

// Several Set-Cookie stay several; of all others Headers has joined the values.
function fieldsOf(headers) {
  const fields = Object.create(null);
  headers.forEach((value, name) => {
    if (name !== 'set-cookie' && !HOP_BY_HOP.has(name)) fields[name] = value;
  });
  const cookies = headers.getSetCookie?.() ?? [];
  if (cookies.length > 0) fields['set-cookie'] = cookies;
  return fields;
}

// wholeOf is the text or the bytes that the body was made of, when nobody has read from
// it: its stream need not be read then, which takes some 20 µs.
function wholeOf(response) {
  if (STATE === undefined || response.bodyUsed || response.body.locked) return undefined;
  const { stream, source } = response[STATE]?.body ?? {};
  if (stream !== response.body) return undefined; // an app's own class gives another
  return typeof source === 'string' || source instanceof Uint8Array ? source : undefined;
}

// A body that is complete at once gets a length; any other goes on piece by
// piece, as fast as the client takes it.
async function writeBody(body, res, lengthUnknown) {
  const reader = body.getReader();
  const give = () => reader.cancel().catch(() => {});
  res.once('close', give);
  const first = await reader.read();
  if (first.done) {
    if (lengthUnknown) res.setHeader('content-length', '0');
    res.end();
    return;
  }
  let next = reader.read();
  next.catch(() => {}); // seen below
  if (lengthUnknown && (await isDone(next))) {
    res.setHeader('content-length', String(Buffer.byteLength(first.value)));
    res.end(first.value);
    return;
  }
  let piece = first;
  while (!piece.done) {
    if (res.destroyed) return;
    if (!res.write(piece.value)) await drained(res);
    piece = await next;
    if (!piece.done) {
      next = reader.read();
      next.catch(() => {});
    }
  }
  res.end();
}

// isDone waits no longer than what is ready anyway takes.
function isDone(read) {
  return Promise.race([read.then((piece) => piece.done, () => false), new Promise((resume) => setImmediate(resume, false))]);
}

function drained(res) {
  return new Promise((resume) => {
    const go = () => {
      res.off('drain', go);
      res.off('close', go);
      resume();
    };
    res.once('drain', go);
    res.once('close', go);
  });
}
