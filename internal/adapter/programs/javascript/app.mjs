// The app in this process: loaded once, and in the reload mode `module` loaded
// anew where its files have changed.
import fs from 'node:fs';
import path from 'node:path';
import { appOf } from './apps.mjs';
import { Stamps, stampOf } from './stamps.mjs';
import { register } from './control.mjs';
import { explain, say, traceOf } from './errors.mjs';

// Each reload leaves the old modules in the runtime's cache, which cannot be
// emptied. After so many the process is replaced.
const RELOADS_MAX = Number(process.env.RIP_RELOADS_MAX) || 500;
// Also when the process has grown by so much since the app was loaded first.
const GROWN_MAX = (Number(process.env.RIP_GROWN_MB) || 256) << 20;
const FILES_MAX = 20000; // reported to ripd
const GONE_MAX = 32; // files that are not there and are looked at all the same

// A file that is being written changes several times within a few milliseconds.
const SETTLE_MS = 10; // without a change before it is loaded
const SETTLE_MOST_MS = 500;
const PATIENCE_MS = 100; // for the rest of a save, when what is there cannot be loaded
const HELD_MS = 50; // between two looks while a load does not come to its end
const HELD = Symbol('held');

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

// Files of the app's folder that decide how it is loaded. A process reads them
// once.
const BEYOND = ['package.json', 'package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'bunfig.toml', 'tsconfig.json', '.env', '.env.local'];

// fixed files cannot be loaded a second time, or are not the app's own.
const fixed = (file) => file.includes('/node_modules/') || file.endsWith('.node');

// App has the state in which requests are answered: {handler} or {broken: error}.
export class App {
  state = {};
  #engine; // Node or Bun: import, drop, graph, loaded
  #listening;
  #entry;
  #mode;
  #stamps = new Stamps();
  #beyond; // paths of BEYOND that are there
  #loading = null;
  #pending = new Set(); // what a failed load wanted to replace
  #seen = 0; // when what is loaded was looked at last (ms)
  #looked = 0; // files that were loaded when ripd was told last
  #reported = 0; // files that ripd knows
  #reloads = 0;
  #firstSize = 0; // of the process, in bytes
  #grown = false;

  constructor({ engine, listening, entry, root, mode }) {
    this.#engine = engine;
    this.#listening = listening;
    this.#entry = entry;
    this.#mode = mode;
    this.#beyond = BEYOND.map((name) => path.join(root, name)).filter((file) => fs.existsSync(file));
  }

  // load loads the app for the first time; what it throws is the app's fault.
  async load({ evenBroken }) {
    this.#seen = Date.now();
    try {
      this.state = { handler: await this.#handler() };
    } catch (error) {
      if (!evenBroken) throw error;
      // ripd looks once more whether this was half of a save.
      if (this.#mode === 'process') await pause(PATIENCE_MS);
      this.#broken(error);
      this.#pending.add(this.#entry);
    }
    this.#look();
    this.#seen = Date.now();
    this.#firstSize = process.memoryUsage.rss();
  }

  async #handler() {
    this.#listening.begin();
    return appOf(await this.#engine.import(this.#entry), this.#listening, this.#entry);
  }

  #broken(error) {
    this.state = { broken: error };
    const { message, file, line } = explain(error);
    say(`the app could not be loaded: ${file ? `${file}:${line}: ` : ''}${message}\n${traceOf(error)}`);
    for (const place of missing(error)) if (!this.#stamps.has(place)) this.#stamps.set(place, stampOf(place));
  }

  // refresh makes sure that a request which is here now meets the files as they
  // are now. It gives null when they are loaded already.
  refresh() {
    if (this.#mode !== 'module') return null;
    if (this.#loading) return this.#afterLoading();
    return this.#check();
  }

  // What loads now may have been read before the request came; what starts
  // afterwards was not.
  async #afterLoading() {
    await this.#loading;
    await (this.#loading ?? this.#check());
  }

  #check() {
    this.#look();
    const now = Date.now();
    const changed = this.#stamps.changed();
    this.#seen = now;
    if (changed.length === 0) return null;
    this.#loading = this.#reload(changed).finally(() => {
      this.#loading = null;
      this.#grown ||= process.memoryUsage.rss() - this.#firstSize > GROWN_MAX;
    });
    return this.#loading;
  }

  async #reload(changed) {
    for (const end = Date.now() + SETTLE_MOST_MS; ; ) {
      await settled(changed);
      const affected = this.#affected(changed);
      const before = new Map();
      for (const file of new Set([...affected, ...changed])) before.set(file, stampOf(file));
      this.#seen = Date.now();
      this.#engine.drop(affected, ++this.#reloads);
      const failed = await this.#attempt(before);
      for (const [file, stamp] of before) this.#stamps.set(file, stamp);
      this.#look();
      if (failed === null) {
        this.#pending.clear();
        this.#forget();
        // What was saved while it was loaded may be there in part.
        changed = this.#stamps.changed();
        if (changed.length > 0 && Date.now() < end) continue;
        return;
      }
      for (const file of affected) this.#pending.add(file);
      // Half of a save is no fault of the app: see what comes of it.
      changed = await this.#nextSave(failed === HELD ? 0 : PATIENCE_MS);
      if (changed.length > 0) continue;
      if (failed !== HELD) return this.#broken(failed);
    }
  }

  // attempt loads the app once. It gives null when the new handler is in place,
  // an error, or HELD: files have changed while the app does not yet listen.
  async #attempt(before) {
    let over = false;
    try {
      this.#listening.begin();
      const namespace = await this.#engine.import(this.#entry);
      const found = appOf(namespace, this.#listening, this.#entry);
      const held = this.#held(before, () => over);
      const handler = await Promise.race([found, held]);
      if (handler === HELD) return HELD;
      this.state = { handler };
      return null;
    } catch (error) {
      return error ?? new Error('the app has thrown nothing');
    } finally {
      over = true;
    }
  }

  async #held(before, isOver) {
    while (!isOver()) {
      await pause(HELD_MS);
      for (const [file, stamp] of before) if (differs(file, stamp)) return HELD;
    }
    return HELD;
  }

  // nextSave gives what has changed after at most so many milliseconds.
  async #nextSave(most) {
    for (const end = Date.now() + most; ; ) {
      const changed = this.#stamps.changed();
      if (changed.length > 0 || Date.now() >= end) return changed;
      await pause(SETTLE_MS);
    }
  }

  // affected are the changed files and all that depend on them, and the entry:
  // its handler is what is swapped.
  #affected(changed) {
    const importers = new Map();
    for (const [file, imports] of this.#engine.graph()) {
      for (const one of imports) importers.has(one) ? importers.get(one).push(file) : importers.set(one, [file]);
    }
    const affected = new Set([this.#entry, ...this.#pending]);
    const queue = changed.filter((file) => this.#engine.knows(file)).concat([...this.#pending]);
    for (const file of queue) {
      affected.add(file);
      for (const importer of importers.get(file) ?? []) if (!affected.has(importer)) queue.push(importer);
    }
    return affected;
  }

  // look adds what was loaded since it was called last.
  #look() {
    if (this.#mode !== 'module') return;
    for (const file of this.#engine.fresh()) {
      if (!fixed(file) && !this.#stamps.has(file)) this.#stamps.observe(file, this.#seen);
    }
  }

  // forget drops what the app does not load any more. A module that is still in
  // memory stays: a request may import it without the file being read. A file that
  // is away may be in the midst of a save: it is looked at in case it comes back.
  #forget() {
    const live = reachable(this.#engine.graph(), this.#entry);
    const unused = [...this.#stamps.paths()].filter((file) => !live.has(file));
    const gone = new Set(unused.filter((file) => this.#stamps.isMissing(file)).slice(-GONE_MAX));
    for (const file of unused) if (!gone.has(file) && (this.#stamps.isMissing(file) || !this.#engine.knows(file))) this.#stamps.delete(file);
  }

  // worn reports that the process should make place for a new one.
  get worn() {
    return this.#reloads >= RELOADS_MAX || this.#grown || this.#engine.spent === true;
  }

  // files are those that ripd has to watch, and to start a new process for: all
  // in the mode `process`, in `module` those that cannot be loaded anew.
  files() {
    if (this.#mode === 'none') return undefined;
    const loaded = this.#engine.loaded();
    this.#looked = loaded.size;
    const files = this.#mode === 'module' ? [...loaded].filter(fixed) : [...loaded];
    // In the mode process these are folders in which what was missing may appear.
    const places = this.#mode === 'process' ? this.#stamps.paths() : [];
    return [...new Set([...this.#beyond, ...files, ...places])].slice(0, FILES_MAX);
  }

  // reports: ripd is told of what a request loads.
  get reports() {
    return this.#mode !== 'none';
  }

  // report tells ripd when there is more than it knows, else it gives null.
  report() {
    if (this.#engine.loaded().size === this.#looked) return null;
    const files = this.files();
    if (files.length === this.#reported) return null;
    return this.#tell(files).catch((error) => say(`files were not reported: ${error.message}`));
  }

  // enroll says for the first time that the worker is ready.
  enroll() {
    return this.#tell(this.files());
  }

  async #tell(files) {
    this.#reported = files?.length ?? 0;
    await register(files);
  }
}

// settled waits until the files were left alone for a moment, and for those that
// are away, or have just been emptied: that loads, as a module with nothing in it, and is
// how most programs begin to write a file.
async function settled(files) {
  const end = Date.now() + SETTLE_MOST_MS;
  const isNew = (file) => {
    const s = fs.statSync(file, { throwIfNoEntry: false });
    return !s || Date.now() - s.mtimeMs < (s.size === 0 ? SETTLE_MOST_MS : SETTLE_MS);
  };
  while (Date.now() < end && files.some(isNew)) await pause(SETTLE_MS / 2);
}

function differs(file, stamp) {
  const one = new Stamps();
  one.set(file, stamp);
  return one.changed().length > 0;
}

// reachable walks the graph from the entry.
function reachable(graph, entry) {
  const live = new Set([entry]);
  for (const file of live) for (const next of graph.get(file) ?? []) live.add(next);
  return live;
}

// missing gives the folders in which a file that was not found would appear.
function missing(error) {
  const places = new Set();
  const wanted = [/Cannot find (?:module|package) '([^']+)'/.exec(error?.message ?? '')?.[1], error?.specifier];
  const importers = [...(error?.requireStack ?? []), / (?:imported )?from '?(?:file:\/\/)?(\/[^\s?']+)/.exec(error?.message ?? '')?.[1], error?.referrer];
  for (const importer of importers.filter(Boolean)) {
    places.add(path.dirname(importer));
    for (const name of wanted) if (name?.startsWith('.')) places.add(folderOf(path.resolve(path.dirname(importer), name)));
  }
  for (const name of wanted) if (name?.startsWith('/')) places.add(folderOf(name.replace(/[?&]rip=\d+/, '')));
  return places;
}

function folderOf(file) {
  let dir = path.dirname(file);
  while (!fs.existsSync(dir)) dir = path.dirname(dir);
  return dir;
}
