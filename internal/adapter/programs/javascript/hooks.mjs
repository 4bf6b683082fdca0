// Node's resolve hook: it tells the worker what is imported from where, and
// gives changed modules a new name (a version in the query), since node keeps
// each name that it has loaded for ever.
//
// With module.registerHooks it runs in the worker's own thread, with
// module.register in another. There `initialize` is given a port; messages on
// it are read when they are needed, so that none is late.
import { receiveMessageOnPort } from 'node:worker_threads';

const versions = new Map(); // file: URL without a version → version
let tell = () => {};
let port = null;

// initialize is called by node in the hooks' thread.
export function initialize(data) {
  port = data.port;
  tell = (edge) => port.postMessage(edge);
}

// connect is its counterpart in the worker's own thread.
export function connect(heard) {
  tell = heard;
}

export function setVersions(urls, version) {
  for (const url of urls) versions.set(url, version);
}

function learn() {
  for (let next; port && (next = receiveMessageOnPort(port)); ) setVersions(next.message.urls, next.message.version);
}

export const plain = (url) => url.replace(/[?&]rip=\d+/, '');

function versioned(result, context) {
  if (!result.url.startsWith('file:')) return result;
  const url = plain(result.url);
  tell({ from: context.parentURL?.startsWith('file:') ? plain(context.parentURL) : '', url });
  const version = versions.get(url);
  if (version === undefined) return result;
  return { ...result, url: `${url}${url.includes('?') ? '&' : '?'}rip=${version}` };
}

export async function resolve(specifier, context, next) {
  learn();
  return versioned(await next(specifier, context), context);
}

// resolveSync leaves require alone: CommonJS has a cache that can be emptied.
export function resolveSync(specifier, context, next) {
  const result = next(specifier, context);
  return context.conditions?.includes('import') ? versioned(result, context) : result;
}
