// What fetch promises, one path for each promise. It runs under Node.js and Bun.
import fs from 'node:fs';

const encoder = new TextEncoder();
const paths = {
  '/request': async (request) => {
    const url = new URL(request.url);
    return Response.json({
      method: request.method,
      url: request.url,
      query: url.searchParams.getAll('a'),
      field: request.headers.get('x-field'),
      body: request.body === null ? null : await request.text(),
    });
  },
  '/echo': (request) => new Response(request.body, { headers: { 'Content-Type': 'application/octet-stream' } }),
  '/text': () => new Response('text'),
  '/empty': () => new Response(''),
  '/null': () => new Response(null),
  '/status': () => new Response('I am a teapot', { status: 418, statusText: 'Teapot' }),
  '/204': () => new Response(null, { status: 204 }),
  '/304': () => new Response(null, { status: 304, headers: { ETag: '"1"' } }),
  '/redirect': () => new Response(null, { status: 302, headers: { Location: '/elsewhere' } }),
  '/cookies': () => {
    const headers = new Headers({ 'X-Joined': 'a' });
    headers.append('X-Joined', 'b');
    headers.append('Set-Cookie', 'a=1; Expires=Wed, 21 Oct 2037 07:28:00 GMT');
    headers.append('Set-Cookie', 'b=2');
    return new Response('cookies', { headers });
  },
  '/stream': () => {
    let sent = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (sent === 3) return controller.close();
          if (sent > 0) await new Promise((resume) => setTimeout(resume, 30));
          controller.enqueue(encoder.encode(`piece ${++sent}\n`));
        },
      }),
    );
  },
  '/large': () => new Response('x'.repeat(3_000_000)),
  '/length': async (request) => new Response(String((await request.arrayBuffer()).byteLength)),
  '/throw': () => {
    throw new Error('thrown');
  },
  '/reject': async () => {
    await null;
    throw new TypeError('rejected');
  },
  '/string': () => 'no Response',
  '/break': () => {
    let sent = false;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (sent) {
            await new Promise((resume) => setTimeout(resume, 20));
            return controller.error(new Error('broken in the middle'));
          }
          sent = true;
          controller.enqueue(encoder.encode('the first half'));
        },
      }),
    );
  },
  '/slow': async (request) => {
    console.log('slow begins');
    request.signal.addEventListener('abort', () => console.log('slow was aborted'));
    await new Promise((resume) => setTimeout(resume, Number(new URL(request.url).searchParams.get('ms'))));
    console.log('slow ends');
    return new Response('slow');
  },
  '/list': () => new Response('one piece'),
  '/hold': async (request) => {
    const name = request.headers.get('x-test');
    fs.writeFileSync(`${name}.in`, '');
    while (!fs.existsSync(`${name}.out`)) await new Promise((resume) => setTimeout(resume, 5));
    return new Response('held\n');
  },
  '/lazy': async () => new Response((await import('./lazy.mjs')).default),
  '/unhandled': () => {
    Promise.reject(new Error('nobody waits for this'));
    return new Response('ok');
  },
  '/uncaught': () => {
    setTimeout(() => {
      throw new Error('out of the blue');
    }, 5);
    return new Promise(() => {});
  },
};

export default {
  fetch(request) {
    const path = paths[new URL(request.url).pathname];
    return path ? path(request) : new Response('not here', { status: 404 });
  },
};
