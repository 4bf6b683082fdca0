// ripd's worker for apps in JavaScript and TypeScript under Bun. The app's
// entry is RIP_ENTRY; the other variables are those of the worker protocol.
// Bun has read the folder's bunfig.toml before this runs, so that its preloads
// and plugins are in force.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { BunServer } from './bunserver.mjs';
import { run } from './run.mjs';

const require = createRequire(import.meta.url);
const OWN = import.meta.dir;
const SCANNED = new Map([['.js', 'js'], ['.mjs', 'js'], ['.cjs', 'js'], ['.jsx', 'jsx'], ['.ts', 'ts'], ['.mts', 'ts'], ['.cts', 'ts'], ['.tsx', 'tsx']]);

// Bun has one cache for ES modules and CommonJS, and forgets what is deleted
// from it.
class BunEngine {
  #known = new Set();
  #fresh = new Set();
  #imports = new Map(); // path → set of paths
  #asked = 0;
  #stuck = new Set(); // see free
  spent = false; // only a new process can go on

  watch() {}

  // serverFor gives Bun's own server to an app that is a fetch function.
  serverFor(app, life) {
    const { handler } = app.state;
    return !handler || handler.fetch ? new BunServer(app, life) : null;
  }

  async import(entry) {
    process.argv[1] = entry;
    await this.#free();
    this.#add(entry);
    try {
      return await import(entry);
    } catch (error) {
      this.#walk();
      const cached = new Set(Object.keys(require.cache));
      for (const file of this.#known) if (!cached.has(file) && SCANNED.has(path.extname(file))) this.#stuck.add(file);
      throw this.#explained(error);
    }
  }

  // free gets rid of modules that were linked but not run when an import failed:
  // Bun forgets none that has not run. This runs what they were then.
  async #free() {
    for (const file of this.#stuck) {
      await import(file).catch(() => {});
      delete require.cache[file];
    }
    this.#stuck.clear();
  }

  #explained(error) {
    const first = error?.errors?.[0] ?? error; // of several in one file
    if (first?.position?.file) first.place = { file: first.position.file, line: first.position.line };
    const without = /^Export named .* not found in module '(.+)'/.exec(first?.message)?.[1];
    const importer = without && [...this.#imports].find(([, imports]) => imports?.has(without))?.[0];
    if (importer) first.place = { file: importer, line: 0 };
    // Bun remembers what a folder held: it may be wrong to look for this file.
    if (/^ENOENT reading/.test(first?.message)) this.spent = true;
    return first;
  }

  // walk adds what the loaded files import. A file that could not be loaded is
  // not in Bun's cache.
  #walk() {
    this.#lookAround();
    for (const file of this.#known) {
      if (file.includes('/node_modules/')) continue;
      if (!this.#imports.has(file)) this.#imports.set(file, importsOf(file));
      for (const one of this.#imports.get(file) ?? []) this.#add(one);
    }
  }

  #add(file) {
    if (this.#known.has(file) || !file.startsWith('/') || path.dirname(file) === OWN) return;
    this.#known.add(file);
    this.#fresh.add(file);
  }

  #lookAround() {
    const names = Object.keys(require.cache);
    if (names.length === this.#asked) return;
    this.#asked = names.length;
    for (const file of names) this.#add(file.replace(/\?.*$/, ''));
  }

  drop(files) {
    for (const name of Object.keys(require.cache)) {
      if (files.has(name.replace(/\?.*$/, ''))) delete require.cache[name];
    }
    for (const file of files) {
      delete require.cache[file]; // a file that failed is not among the names
      this.#known.delete(file);
      this.#imports.delete(file);
    }
    this.#asked = 0;
  }

  fresh() {
    this.#lookAround();
    const fresh = this.#fresh;
    this.#fresh = new Set();
    return fresh;
  }

  loaded() {
    this.#lookAround();
    return this.#known;
  }

  knows(file) {
    return this.#known.has(file);
  }

  // graph reads the imports in the files themselves. What a plugin loads may
  // import anything.
  graph() {
    this.#walk();
    const graph = new Map();
    for (const [file, imports] of this.#imports) graph.set(file, imports ?? new Set([...this.#known].filter((one) => one !== file && !one.includes('/node_modules/'))));
    return graph;
  }
}

// importsOf is null when it cannot tell.
function importsOf(file) {
  const loader = SCANNED.get(path.extname(file));
  if (!loader) return path.extname(file) === '.json' ? new Set() : null;
  try {
    const imports = new Set();
    for (const { path: name } of new Bun.Transpiler({ loader }).scanImports(fs.readFileSync(file))) {
      try {
        imports.add(Bun.resolveSync(name, path.dirname(file)));
      } catch {
        // a builtin, or what a plugin resolves
      }
    }
    return imports;
  } catch {
    return null;
  }
}

await run(new BunEngine());
