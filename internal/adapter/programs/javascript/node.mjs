// ripd's worker for apps in JavaScript under Node.js 18.19 and later. The app's
// entry is RIP_ENTRY; the other variables are those of the worker protocol.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import Module from 'node:module';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { run } from './run.mjs';
import * as hooks from './hooks.mjs';

const require = createRequire(import.meta.url);
const OWN = path.dirname(fileURLToPath(import.meta.url));
const CHECK_FILES = 10; // looked at for a syntax error's place
const CHECK_MS = 2000; // for each

const ESM = /^\s*(?:import\s*[\w*{"']|export\s+(?:default|const|let|var|function|class|async|\{|\*))/m;

// Node loads files in two ways, as ES modules and as CommonJS, and each can
// load the other's.
class Node {
  #imports = new Map(); // path → set of paths that it imports as ES modules
  #fresh = new Set();
  #known = new Set();
  #drain = () => {};
  #setVersions = hooks.setVersions;
  #requests = new Map(); // path → how CommonJS asked for it: [folder, request]
  #asked = 0; // modules in CommonJS's cache at the last look

  // watch puts the hooks in place; without them (reload mode none) node is left as it is.
  watch() {
    this.#watchRequests();
    if (Module.registerHooks) {
      hooks.connect((edge) => this.#hear(edge));
      Module.registerHooks({ resolve: hooks.resolveSync });
    } else if (Module.register) {
      const { port1, port2 } = new MessageChannel();
      Module.register('./hooks.mjs', { parentURL: import.meta.url, data: { port: port2 }, transferList: [port2] });
      this.#drain = () => {
        for (let next; (next = receiveMessageOnPort(port1)); ) this.#hear(next.message);
      };
      this.#setVersions = (urls, version) => port1.postMessage({ urls, version });
      port1.unref();
    } else {
      throw new Error(`node ${process.versions.node} cannot tell which files it loads: reload modes other than none need 18.19 or later`);
    }
  }

  // Node remembers what a request from a folder means, and what it remembers can
  // only be dropped request by request.
  #watchRequests() {
    const resolve = Module._resolveFilename;
    const requests = this.#requests;
    Module._resolveFilename = function (request, parent, ...more) {
      const file = resolve.call(this, request, parent, ...more);
      if (parent?.path && file.startsWith('/') && !file.includes('/node_modules/')) {
        if (!requests.has(file)) requests.set(file, new Map());
        requests.get(file).set(`${parent.path}\0${request}`, [parent.path, request]);
      }
      return file;
    };
  }

  #forgetRequests(file) {
    const resolve = Module._resolveFilename;
    const enough = new Error('not to be loaded');
    Module._resolveFilename = () => {
      throw enough;
    };
    try {
      for (const [folder, request] of this.#requests.get(file)?.values() ?? []) {
        try {
          Module._load(request, { id: '.', path: folder, children: [] });
        } catch (error) {
          if (error !== enough) throw error;
        }
      }
    } finally {
      Module._resolveFilename = resolve;
    }
    this.#requests.delete(file);
  }

  #hear({ from, url }) {
    const file = pathOf(url);
    this.#add(file);
    if (!from) return;
    const parent = pathOf(from);
    if (!this.#imports.has(parent)) this.#imports.set(parent, new Set());
    this.#imports.get(parent).add(file);
  }

  #add(file) {
    if (this.#known.has(file) || path.dirname(file) === OWN) return;
    this.#known.add(file);
    this.#fresh.add(file);
  }

  #lookAround() {
    this.#drain();
    const names = Object.keys(require.cache);
    if (names.length === this.#asked) return;
    this.#asked = names.length;
    for (const file of names) this.#add(file);
  }

  async import(entry) {
    process.argv[1] = entry;
    this.#add(entry);
    try {
      if (!isCommonJS(entry)) return await import(pathToFileURL(entry).href);
      return { default: Module._load(entry, null, true) };
    } catch (error) {
      if (error instanceof SyntaxError && !/^(file:\/\/)?\//.test(error.stack)) error.place = locate(this.#suspects());
      throw error;
    }
  }

  // suspects are the app's files that were loaded last.
  #suspects() {
    this.#lookAround();
    return [...this.#fresh].filter((file) => !file.includes('/node_modules/')).slice(0, CHECK_FILES);
  }

  // drop makes the next import load these files from the disk.
  drop(files, version) {
    this.#lookAround();
    const urls = [];
    for (const file of files) {
      urls.push(pathToFileURL(file).href);
      this.#imports.delete(file);
      this.#known.delete(file);
      delete require.cache[file];
      this.#forgetRequests(file);
    }
    for (const key in Module._pathCache) if (files.has(Module._pathCache[key])) delete Module._pathCache[key];
    for (const module of Object.values(require.cache)) {
      if (module.children?.some((child) => files.has(child.filename))) module.children = module.children.filter((child) => !files.has(child.filename));
    }
    this.#asked = 0;
    this.#setVersions(urls, version);
  }

  // fresh gives what was loaded since the last call.
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

  graph() {
    this.#lookAround();
    const graph = new Map();
    for (const [file, imports] of this.#imports) graph.set(file, new Set(imports));
    for (const [file, module] of Object.entries(require.cache)) {
      if (!graph.has(file)) graph.set(file, new Set());
      for (const child of module.children ?? []) graph.get(file).add(child.filename);
    }
    return graph;
  }
}

// locate finds the place of a syntax error, which node keeps to itself.
function locate(files) {
  for (const file of files) {
    try {
      execFileSync(process.execPath, ['--check', file], { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH }, timeout: CHECK_MS });
    } catch (error) {
      const line = /^(?:file:\/\/)?\/\S+:(\d+)$/m.exec(String(error.stderr))?.[1];
      if (line) return { file, line: Number(line) };
    }
  }
  return undefined;
}

const pathOf = (url) => fileURLToPath(url.replace(/[?#].*$/, ''));

// isCommonJS decides as node does: by the name, by the package, by the text.
function isCommonJS(file) {
  const ext = path.extname(file);
  if (ext === '.cjs' || ext === '.cts') return true;
  if (ext !== '.js' && ext !== '.ts') return false;
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    try {
      const { type } = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'));
      if (type) return type === 'commonjs';
      break;
    } catch (error) {
      if (error.code !== 'ENOENT') break;
    }
    if (dir === path.dirname(dir)) break;
  }
  return !ESM.test(fs.readFileSync(file, 'utf8'));
}

await run(new Node());
