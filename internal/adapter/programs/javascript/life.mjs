// The worker's life, whichever server it has: what runs, and the end after that.
import { deregister } from './control.mjs';
import { say, traceOf } from './errors.mjs';

const LEAVE_MS = 2000; // of telling ripd that the worker leaves

// Life counts the requests that run. `door` is the server on SOCKET_PATH: it has
// close(), and busy(), whether an answer is still under way.
export class Life {
  door = null;
  #concurrency;
  #running = new Map(); // any key → {id, fail(error)}
  #waiting = new Map(); // those of them that have no turn yet → resume, in the order in which they came
  #turns; // that are free
  #leaving = null; // the exit code, once the worker ends
  #told = false; // ripd knows, or cannot be told
  #last = []; // to be called at the end

  // serial: of the requests that are here one runs, and the others wait.
  constructor(concurrency, serial = false) {
    this.#concurrency = concurrency;
    this.#turns = serial ? 1 : Infinity;
    this.serial = serial;
  }

  get full() {
    return this.#running.size >= this.#concurrency;
  }

  // begin gives null when the request may run at once, else a promise of its turn.
  begin(key, request) {
    this.#running.set(key, request);
    if (this.#turns === 0) return new Promise((resume) => this.#waiting.set(key, resume));
    this.#turns--;
    return null;
  }

  // end is told when the answer of a request is out, or will not be. worn: the
  // process is to be replaced.
  end(key, worn) {
    if (!this.#running.delete(key)) return;
    if (!this.#waiting.delete(key)) this.#nextTurn();
    if (worn) this.leave(0);
    if (this.#leaving !== null) setImmediate(() => this.#finish());
  }

  #nextTurn() {
    const [next] = this.#waiting;
    if (!next) return this.#turns++;
    this.#waiting.delete(next[0]);
    next[1]();
  }

  // waiting is the number of requests that wait for their turn.
  get waiting() {
    return this.#waiting.size;
  }

  #inTurn() {
    return [...this.#running].filter(([key]) => !this.#waiting.has(key)).map(([, request]) => request);
  }

  // ids names the requests that run, for the log.
  ids() {
    const ids = this.#inTurn().map(({ id }) => id);
    return ids.length > 0 ? `request ${ids.join(' or ')}: ` : '';
  }

  // failAll is for errors that belong to no call: they end the worker.
  failAll(error) {
    const [only, another] = this.#inTurn();
    if (only && !another) only.fail(error);
    else say(`uncaught: ${this.ids()}${traceOf(error)}`);
    this.leave(1);
  }

  // leave takes nothing new, lets finish what runs, and ends the process. It
  // comes back when ripd gives this worker nothing more.
  leave(code, then) {
    if (then) this.#last.push(then);
    if (this.#leaving !== null) return this.#gone;
    this.#leaving = code;
    const limit = new Promise((resume) => setTimeout(resume, LEAVE_MS).unref());
    const told = deregister().catch((error) => say(`ripd was not told that the worker leaves: ${error.message}`));
    this.#gone = Promise.race([told, limit]).then(() => {
      this.#told = true;
      this.#finish();
    });
    return this.#gone;
  }

  #gone = null;

  #finish() {
    if (!this.#told) return;
    this.door?.close();
    if (this.#running.size > 0) return;
    if (this.door?.busy()) {
      setTimeout(() => this.#finish(), 5);
      return;
    }
    for (const then of this.#last.splice(0)) {
      try {
        then();
      } catch (error) {
        say(traceOf(error));
      }
    }
    process.exit(this.#leaving);
  }
}
