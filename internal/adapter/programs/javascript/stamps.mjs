// What tells two states of a file apart without reading it, and when reading is
// needed all the same.
import fs from 'node:fs';
import { createHash } from 'node:crypto';

// The kernel stamps files with a clock that ticks every few milliseconds, so
// two writes within GRAIN_MS can look like one. File systems that keep whole
// seconds need COARSE_MS.
const GRAIN_MS = 20;
const COARSE_MS = 2000;

const grain = (s) => (s.mtimeMs % 1000 === 0 && s.ctimeMs % 1000 === 0 ? COARSE_MS : GRAIN_MS);
const quiet = { throwIfNoEntry: false };

function stat(path) {
  try {
    return fs.statSync(path, quiet);
  } catch {
    return undefined; // not readable is as good as not there
  }
}

function digest(path) {
  try {
    return createHash('sha1').update(fs.readFileSync(path)).digest('base64');
  } catch {
    return ''; // a folder, or gone meanwhile
  }
}

// stampOf is the state of a file. A file that was written just now has its
// content in the stamp too: a later write may not show.
export function stampOf(path) {
  const now = Date.now();
  const s = stat(path);
  if (!s) return { missing: true };
  const stamp = { mtime: s.mtimeMs, ctime: s.ctimeMs, size: s.size, ino: s.ino, recent: now - s.ctimeMs < grain(s), content: '' };
  if (stamp.recent) stamp.content = digest(path);
  return stamp;
}

// Stamps are those of the files that the app has loaded.
export class Stamps {
  #stamps = new Map(); // path → stamp; null: loaded, but nobody knows which state of it

  get size() {
    return this.#stamps.size;
  }

  has(path) {
    return this.#stamps.has(path);
  }

  isMissing(path) {
    return this.#stamps.get(path)?.missing === true;
  }

  paths() {
    return this.#stamps.keys();
  }

  set(path, stamp) {
    this.#stamps.set(path, stamp);
  }

  delete(path) {
    this.#stamps.delete(path);
  }

  // observe adds a file that was loaded at some time after `since` (ms). Was it
  // written after that, its loaded state is unknown.
  observe(path, since) {
    const s = stat(path);
    this.#stamps.set(path, s && s.ctimeMs + grain(s) < since ? stampOf(path) : null);
  }

  // changed gives the files that are not as they were when they were loaded.
  changed() {
    const changed = [];
    for (const [path, stamp] of this.#stamps) {
      if (!this.#same(path, stamp)) changed.push(path);
    }
    return changed;
  }

  #same(path, stamp) {
    if (stamp === null) return false;
    const now = stamp.recent ? Date.now() : 0;
    const s = stat(path);
    if (!s || stamp.missing) return !s && stamp.missing === true;
    if (s.mtimeMs !== stamp.mtime || s.ctimeMs !== stamp.ctime || s.size !== stamp.size || s.ino !== stamp.ino) return false;
    if (!stamp.recent) return true;
    if (digest(path) !== stamp.content) return false;
    // The stamp was read after the grain: the next write will show in it.
    if (now - s.ctimeMs >= grain(s)) stamp.recent = false;
    return true;
  }
}
