// The worker's calls on ripd's control socket (RIP_CONTROL).
import http from 'node:http';

const TRIES = 5; // ripd may be busy with many workers at once
const PAUSE_MS = 200; // between two tries
const CALL_MS = 5000; // of one call

const { RIP_CONTROL, RIP_TOKEN = '', APP_NAME = '', WORKER_ID = '0', SOCKET_PATH } = process.env;

// register says that the worker can answer, and which files its app has loaded
// (undefined: nothing about files). It fails when ripd refuses the worker.
export async function register(files) {
  for (let tried = 1; ; tried++) {
    try {
      await call({ op: 'register', pid: process.pid, socket: SOCKET_PATH, version: `${runtime()}`, files });
      return;
    } catch (error) {
      if (error.refused || tried === TRIES) throw error;
      await new Promise((resume) => setTimeout(resume, PAUSE_MS));
    }
  }
}

// deregister says that the worker takes nothing more.
export function deregister() {
  return call({ op: 'deregister', pid: process.pid });
}

function runtime() {
  return process.versions.bun ? `bun ${process.versions.bun}` : `node ${process.versions.node}`;
}

// Without a control socket (a program run by hand) there is nobody to tell.
function call(message) {
  if (!RIP_CONTROL) return Promise.resolve();
  const body = JSON.stringify({ ...message, app: APP_NAME, workerId: Number(WORKER_ID) });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), 'Rip-Token': RIP_TOKEN };
  return new Promise((resolve, reject) => {
    const request = http.request(
      { socketPath: RIP_CONTROL, method: 'POST', path: '/v1/worker', headers, agent: false, timeout: CALL_MS },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk) => (text += chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          if (answer.statusCode === 200) return resolve();
          const error = new Error(`${message.op}: ripd answered ${answer.statusCode} ${text.slice(0, 500)}`);
          error.refused = answer.statusCode !== 503 && answer.statusCode !== 429;
          reject(error);
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error(`${message.op}: no answer on ${RIP_CONTROL}`)));
    request.on('error', reject);
    request.end(body);
  });
}
