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
const RELOADS_MAX = 500;
const FILES_MAX = 20000; // reported to ripd

// Files of the app's folder that decide how it is loaded. A process reads them
// once.
const BEYOND = ['package.json', 'package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'bunfig.toml', 'tsconfig.json', '.env', '.env.local'];

const external = (file) => file.includes('/node_modules/');

// App has the state in which requests are answered:
// {handler}, {broken: error}, or {stale: true} when only a new process will do.
export class App {
  state = {};
  #engine; // Node or Bun: import, drop, graph, loaded
  #listening;
  #entry;
  #mode;
  #stamps = new Stamps();
  #beyond = new Map(); // path → stamp
  #loading = null;
  #pending = new Set(); // what a failed load wanted to replace
  #seen = 0; // when what is loaded was looked at last (ms)
  #reported = 0; // files that ripd knows
  #reloads = 0;

  constructor({ engine, listening, entry, root, mode }) {
    this.#engine = engine;
    this.#listening = listening;
    this.#entry = entry;
    this.#mode = mode;
    if (mode !== 'none') for (const name of BEYOND) this.#beyond.set(path.join(root, name), stampOf(path.join(root, name)));
  }

  // load loads the app for the first time; what it throws is the app's fault.
  async load({ evenBroken }) {
    this.#seen = Date.now();
    try {
      this.state = { handler: await this.#handler() };
    } catch (error) {
      if (!evenBroken) throw error;
      this.#broken(error);
      this.#pending.add(this.#entry);
    }
    this.#look();
    this.#seen = Date.now();
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
    if (this.#mode !== 'module' || this.state.stale) return null;
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
    for (const [file, stamp] of this.#beyond) if (differs(file, stamp)) return this.#outdated(file);
    if (changed.length === 0) return null;
    const native = changed.find((file) => file.endsWith('.node') || external(file));
    if (native) return this.#outdated(native);
    this.#loading = this.#reload(changed).finally(() => (this.#loading = null));
    return this.#loading;
  }

  #outdated(file) {
    say(`${file} has changed: it needs a new process`);
    this.state = { stale: true };
    return null;
  }

  async #reload(changed) {
    const affected = this.#affected(changed);
    const before = new Map();
    for (const file of new Set([...affected, ...changed])) before.set(file, stampOf(file));
    const start = Date.now();
    this.#seen = start;
    this.#engine.drop(affected, ++this.#reloads);
    let failed = null;
    try {
      const handler = await this.#handler();
      this.state = { handler };
      this.#pending.clear();
    } catch (error) {
      failed = error;
      for (const file of affected) this.#pending.add(file);
    }
    for (const [file, stamp] of before) this.#stamps.set(file, stamp);
    this.#look();
    if (failed) this.#broken(failed);
    else this.#forget();
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
      if (!external(file) && !this.#stamps.has(file)) this.#stamps.observe(file, this.#seen);
    }
  }

  // forget drops what the app does not load any more.
  #forget() {
    const live = reachable(this.#engine.graph(), this.#entry);
    for (const file of [...this.#stamps.paths()]) if (!live.has(file)) this.#stamps.delete(file);
  }

  // worn reports that the process should make place for a new one.
  get worn() {
    return this.#reloads >= RELOADS_MAX;
  }

  // files are those that ripd has to watch; undefined in the mode `none`.
  files() {
    if (this.#mode === 'none') return undefined;
    const loaded = this.#engine.loaded();
    this.#reported = loaded.size;
    const present = [...this.#beyond.keys()].filter((file) => fs.existsSync(file));
    return [...new Set([...present, ...loaded])].slice(0, FILES_MAX);
  }

  // reports: ripd is told of what a request loads.
  get reports() {
    return this.#mode === 'process';
  }

  // report tells ripd when there is more than it knows, else it gives null.
  report() {
    if (this.#engine.loaded().size === this.#reported) return null;
    return register(this.files()).catch((error) => say(`files were not reported: ${error.message}`));
  }
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
