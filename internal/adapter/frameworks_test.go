package adapter

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// Apps as their frameworks' own guides write them. Each answers GET /ping with
// pong, POST /echo with the body, and fails at /throw.
var frameworks = []struct {
	name, file, source string
	only               string // runtime; "": both
	ownError           bool   // the framework answers what the app throws, and logs it
}{
	{name: "express", file: "app.js", ownError: true, source: `
const express = require('express');
const app = express();
app.get('/ping', (req, res) => res.send('pong'));
app.post('/echo', express.text({ limit: '1mb' }), (req, res) => res.type('text').send(req.body));
app.get('/throw', async () => { throw new Error('thrown'); });
module.exports = app;`},
	{name: "express listens", file: "server.mjs", ownError: true, source: `
import express from 'express';
const app = express();
app.get('/ping', (req, res) => res.send('pong'));
app.post('/echo', (req, res) => req.pipe(res.type('text')));
app.get('/throw', () => { throw new Error('thrown'); });
const server = app.listen(process.env.PORT || 3000, () => console.log('listening on port ' + server.address().port));`},
	{name: "koa", file: "app.js", ownError: true, source: `
const Koa = require('koa');
const app = new Koa();
app.use(async (ctx) => {
  if (ctx.path === '/ping') ctx.body = 'pong';
  else if (ctx.path === '/echo') { ctx.type = 'text'; ctx.body = ctx.req; }
  else if (ctx.path === '/throw') throw new Error('thrown');
});
module.exports = app;`},
	{name: "koa listens", file: "index.js", ownError: true, source: `
const Koa = require('koa');
const app = new Koa();
app.use(async (ctx) => {
  if (ctx.path === '/ping') ctx.body = 'pong';
  else if (ctx.path === '/echo') { ctx.type = 'text'; ctx.body = ctx.req; }
  else if (ctx.path === '/throw') throw new Error('thrown');
});
if (require.main === module || globalThis.Bun) app.listen(3000);`},
	{name: "fastify", file: "app.mjs", ownError: true, source: `
import Fastify from 'fastify';
const app = Fastify();
app.register(async (scope) => {
  scope.get('/ping', async () => 'pong');
  scope.post('/echo', async (request) => request.body);
  scope.get('/throw', async () => { console.error('thrown'); throw new Error('thrown'); });
});
export default app;`},
	{name: "fastify listens", file: "server.mjs", ownError: true, source: `
import Fastify from 'fastify';
const app = Fastify();
app.get('/ping', async () => 'pong');
app.post('/echo', async (request) => request.body);
app.get('/throw', async () => { console.error('thrown'); throw new Error('thrown'); });
await app.listen({ port: 3000 });`},
	{name: "hono", file: "index.mjs", ownError: true, source: `
import { Hono } from 'hono';
const app = new Hono();
app.get('/ping', (c) => c.text('pong'));
app.post('/echo', async (c) => c.text(await c.req.text()));
app.get('/throw', () => { throw new Error('thrown'); });
export default app;`},
	{name: "hono on node-server", file: "index.mjs", only: "node", ownError: true, source: `
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
const app = new Hono();
app.get('/ping', (c) => c.text('pong'));
app.post('/echo', async (c) => c.text(await c.req.text()));
app.get('/throw', () => { throw new Error('thrown'); });
serve({ fetch: app.fetch, port: 3000 }, (info) => console.log('listening on port ' + info.port));`},
	{name: "itty", file: "index.mjs", source: `
import { Router } from 'itty-router';
const router = Router();
router.get('/ping', () => new Response('pong'));
router.post('/echo', async (request) => new Response(await request.text()));
router.get('/throw', () => { throw new Error('thrown'); });
export default { ...router };`},
	{name: "h3", file: "index.mjs", ownError: true, source: `
import { H3 } from 'h3';
const app = new H3();
app.get('/ping', () => 'pong');
app.post('/echo', (event) => event.req.text());
app.get('/throw', () => { console.error('thrown'); throw new Error('thrown'); });
export default app;`},
	{name: "connect", file: "app.js", ownError: true, source: `
const connect = require('connect');
const app = connect();
app.use('/ping', (req, res) => res.end('pong'));
app.use('/echo', (req, res) => req.pipe(res));
app.use('/throw', () => { throw new Error('thrown'); });
module.exports = app;`},
	{name: "handler", file: "app.mjs", source: `
export default async (req, res) => {
  if (req.url === '/ping') return res.end('pong');
  if (req.url === '/echo') return req.pipe(res);
  throw new Error('thrown');
};`},
	{name: "http listens", file: "server.cjs", source: `
const http = require('node:http');
const server = http.createServer(async (req, res) => {
  if (req.url === '/ping') return res.end('pong');
  if (req.url === '/echo') return req.pipe(res);
  throw new Error('thrown');
});
server.listen({ port: 3000, host: '127.0.0.1' });
process.on('SIGTERM', () => server.close(() => console.log('the app has closed its server')));`},
	{name: "listens later", file: "server.mjs", source: `
import http from 'node:http';
setTimeout(() => {
  http.createServer((req, res) => {
    if (req.url === '/ping') return res.end('pong');
    if (req.url === '/echo') return req.pipe(res);
    throw new Error('thrown');
  }).listen(3000);
}, 50);`},
	{name: "a promise of an app", file: "index.mjs", source: `
export default (async () => ({ fetch: async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === '/ping') return new Response('pong');
  if (pathname === '/echo') return new Response(request.body);
  throw new Error('thrown');
} }))();`},
	{name: "fetch is exported", file: "index.mjs", source: `
export function fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/ping') return new Response('pong');
  if (pathname === '/echo') return new Response(request.body);
  throw new Error('thrown');
}`},
	{name: "typescript", file: "index.ts", only: "bun", source: `
type Answer = Response | Promise<Response>;
export default {
  port: 3000,
  fetch(request: Request): Answer {
    const { pathname } = new URL(request.url);
    if (pathname === '/ping') return new Response('pong');
    if (pathname === '/echo') return new Response(request.body);
    throw new Error('thrown');
  },
};`},
	{name: "Bun.serve", file: "server.ts", only: "bun", source: `
const server = Bun.serve({
  port: 3000,
  routes: {
    '/ping': new Response('pong'),
    '/:way': { POST: async (request) => new Response(request.params.way === 'echo' ? request.body : 'no') },
    '/throw': () => { throw new Error('thrown'); },
  },
  fetch: () => new Response('not here', { status: 404 }),
});
console.log('listening on ' + server.url);`},
}

func TestJavaScriptFrameworks(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		for _, f := range frameworks {
			if f.only != "" && f.only != r.name {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				w := startJS(t, r, writeApp(t, f.file, f.source))
				if got := w.get("/ping"); got != "200 pong" {
					t.Errorf("/ping: %q", got)
				}
				body := strings.Repeat("line of a body\n", 1000)
				if got := text(w.do("POST", "/echo", body, "Content-Type: text/plain")); got != "200 "+body {
					t.Errorf("/echo: %d bytes of %d: %.100q", len(got)-len("200 "), len(body), got)
				}
				got := text(w.do("GET", "/throw", "", "X-Request-Id: id-1"))
				if !strings.HasPrefix(got, "500 ") {
					t.Errorf("/throw: %q", got)
				}
				said := "thrown"
				if !f.ownError {
					said = "request id-1: GET /throw: Error: thrown"
				}
				w.Stderr.WaitFor(t, testkit.Timeout, said)
				if err := w.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if code := w.Wait(t, testkit.Timeout); code != 0 {
					t.Errorf("exit code %d", code)
				}
				if got := w.door.seen(); got != "register js/1 secret, deregister js/1 secret" {
					t.Errorf("the control socket saw %q", got)
				}
			})
		}
	})
}

// writeApp puts an app into a folder of its own, beside npm's packages.
func writeApp(t testing.TB, file, source string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(testkit.NPM(t), "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	entry := filepath.Join(dir, file)
	if err := os.WriteFile(entry, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return entry
}
