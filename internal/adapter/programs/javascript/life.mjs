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
  #leaving = null; // the exit code, once the worker ends
  #told = false; // ripd knows, or cannot be told
  #last = []; // to be called at the end

  constructor(concurrency) {
    this.#concurrency = concurrency;
  }

  get full() {
    return this.#running.size >= this.#concurrency;
  }

  begin(key, request) {
    this.#running.set(key, request);
  }

  // end is told when the answer of a request is out. worn: the process is to be
  // replaced.
  end(key, worn) {
    this.#running.delete(key);
    if (worn) this.leave(0);
    if (this.#leaving !== null) setImmediate(() => this.#finish());
  }

  // ids names the requests that run, for the log.
  ids() {
    const ids = [...this.#running.values()].map(({ id }) => id);
    return ids.length > 0 ? `request ${ids.join(' or ')}: ` : '';
  }

  // failAll is for errors that belong to no call: they end the worker.
  failAll(error) {
    const [only] = this.#running.size === 1 ? this.#running.values() : [];
    if (only) only.fail(error);
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
