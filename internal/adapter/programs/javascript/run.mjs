// A worker from its start to its end, the same under Node.js and Bun.
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { App } from './app.mjs';
import { Listening } from './apps.mjs';
import { say, traceOf } from './errors.mjs';
import { Life } from './life.mjs';
import { NodeServer } from './nodeserver.mjs';

// run serves the app of RIP_ENTRY with what the runtime can do (`engine`).
export async function run(engine) {
  const { RIP_ENTRY, RIP_ROOT, SOCKET_PATH, RIP_RELOAD: mode = 'none', RIP_CONCURRENCY, RIP_STREAMS, RIP_SERIAL, RIP_DEVELOPMENT } = process.env;
  if (!RIP_ENTRY || !SOCKET_PATH) {
    say('this is a worker of ripd: it needs RIP_ENTRY and SOCKET_PATH');
    process.exit(2);
  }
  // Streams without a slot (Rip-Release: early) run beside the requests that ripd gives.
  const life = new Life((Number(RIP_CONCURRENCY) || 1) + (Number(RIP_STREAMS) || 0), RIP_SERIAL === '1');
  const listening = new Listening((closed) => life.leave(0, closed));
  let ready = false;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => (ready ? life.leave(0) : process.exit(0)));
  }
  const entry = realpathSync(RIP_ENTRY);
  const app = new App({ engine, listening, entry, root: RIP_ROOT ?? path.dirname(entry), mode });
  try {
    if (mode !== 'none') engine.watch();
    await app.load({ evenBroken: mode !== 'none' && RIP_DEVELOPMENT === '1' });
  } catch (error) {
    say(`the app could not be loaded: ${traceOf(error)}${hint(error)}`);
    process.exit(1);
  }
  guard(life);
  try {
    life.door = engine.serverFor?.(app, life) ?? new NodeServer(app, life);
    await life.door.listen(SOCKET_PATH);
    ready = true;
    await app.enroll();
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
}

// guard sees what no request catches. An app that handles it itself is left alone.
function guard(life) {
  process.on('unhandledRejection', (error) => {
    if (process.listenerCount('unhandledRejection') === 1) say(`unhandled rejection: ${life.ids()}${traceOf(error)}`);
  });
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') === 1) life.failAll(error);
  });
}

function hint(error) {
  if (error?.code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts\b/.test(error.message)) {
    return `\nnode ${process.versions.node} does not read TypeScript: Node.js 22.18 does, and so does Bun`;
  }
  return '';
}
