// What the log and the error page say of an error.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const FIELD_MAX = 8 << 10; // bytes of the field Rip-Worker-Error

// fieldOf is an error as the value of Rip-Worker-Error. It keeps within
// FIELD_MAX by shortening the trace and the message.
export function fieldOf(error) {
  const told = explain(error);
  for (let most = 4096; ; most >>= 1) {
    const shown = { ...told, message: told.message.slice(0, most), trace: told.trace.slice(0, most) };
    const field = encodeURIComponent(JSON.stringify(shown).toWellFormed?.() ?? JSON.stringify(shown).replace(/[\ud800-\udfff]/g, '?'));
    if (field.length <= FIELD_MAX) return field;
  }
}

// explain says what is wrong and where: the first place in a file of the app.
export function explain(error) {
  const trace = traceOf(error);
  const message = error?.message === undefined ? String(error) : `${error.name ?? 'Error'}: ${error.message}`;
  if (error?.place) return { message, ...error.place, trace };
  const places = trace.matchAll(/(?:^|file:\/\/|[\s(])(\/[^\s:()?]+):(\d+)/gm);
  for (const [, file, line] of places) {
    if (!file.includes('/node_modules/')) return { message, file: decodeURI(file), line: Number(line), trace };
  }
  const importer = / (?:imported )?from '?(?:file:\/\/)?(\/[^\s?']+)/.exec(message)?.[1] ?? '';
  const wanted = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1];
  return { message, file: importer, line: lineOf(importer, wanted), trace };
}

const IMPORTER_MAX = 1 << 20; // bytes that are looked through

// lineOf is the line in which a file names another one, 0 when none does. Neither
// Node nor Bun tells it.
function lineOf(file, wanted) {
  const name = wanted?.split('/').at(-1);
  try {
    if (!file || !name || fs.statSync(file).size > IMPORTER_MAX) return 0;
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    return lines.findIndex((line) => /\b(?:from|import|require)\b/.test(line) && line.includes(name)) + 1;
  } catch {
    return 0;
  }
}

// The worker's own calls are no news for those who wrote the app.
const OWN = fileURLToPath(new URL('.', import.meta.url));

// traceOf leaves out the version that a reload adds to a file's name, and what
// lies below the app.
export function traceOf(error) {
  let lines = stackOf(error).replace(/[?&]rip=\d+/g, '').split('\n');
  const own = lines.findIndex((line) => line.includes(OWN));
  if (own > 0) lines = lines.slice(0, own);
  while (lines.length > 1 && /^\s+at .*\(?node:internal\//.test(lines.at(-1))) lines.pop();
  return lines.join('\n') + (error?.cause && error.cause !== error ? `\ncaused by ${stackOf(error.cause)}` : '');
}

function stackOf(error) {
  if (!error?.stack) return String(error);
  return error.stack.includes(error.message) ? error.stack : `${error.name}: ${error.message}\n${error.stack}`;
}

export function say(line) {
  process.stderr.write(`${line}\n`);
}
