package e2e

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

// The apps of these tests have two event streams. /events sends a second event only when
// the file go is there. /ticks sends events without end, and writes the file left when it
// is told that nobody listens.
const (
	rackStreams = `
def path(name) = File.join(__dir__, name)
run lambda { |env|
  head = { "content-type" => "text/event-stream", "rip-release" => "early" }
  case env["PATH_INFO"]
  when "/events"
    [200, head, Enumerator.new { |out|
      out << "data: 1\n\n"
      sleep 0.01 until File.exist?(path("go"))
      out << "data: 2\n\n"
    }]
  when "/ticks"
    [200, head, Enumerator.new { |out|
      begin
        loop { out << "data: 1\n\n"; sleep 0.02 }
      ensure
        File.write(path("left"), "")
      end
    }]
  else [200, { "content-type" => "text/plain" }, ["hello"]]
  end
}
`
	wsgiStreams = `
import os, time

def path(name): return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)

def events():
    yield b"data: 1\n\n"
    while not os.path.exists(path("go")): time.sleep(0.01)
    yield b"data: 2\n\n"

def ticks():
    try:
        while True:
            yield b"data: 1\n\n"
            time.sleep(0.02)
    finally:
        open(path("left"), "w").close()

def app(environ, start):
    stream = {"/events": events, "/ticks": ticks}.get(environ["PATH_INFO"])
    if stream is None:
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]
    start("200 OK", [("Content-Type", "text/event-stream"), ("Rip-Release", "early")])
    return stream()
`
	asgiStreams = `
import asyncio, os

def path(name): return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)

async def app(scope, receive, send):
    if scope["type"] != "http": return
    stream = scope["path"] in ("/events", "/ticks")
    kind = b"text/event-stream" if stream else b"text/plain"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), (b"rip-release", b"early")]})
    async def event(data): await send({"type": "http.response.body", "body": data, "more_body": True})
    if scope["path"] == "/events":
        await event(b"data: 1\n\n")
        while not os.path.exists(path("go")): await asyncio.sleep(0.01)
        await event(b"data: 2\n\n")
    elif scope["path"] == "/ticks":
        await receive()
        left = asyncio.create_task(receive())
        while not left.done():
            await event(b"data: 1\n\n")
            await asyncio.sleep(0.02)
        open(path("left"), "w").close()
        return
    await send({"type": "http.response.body", "body": b"" if stream else b"hello"})
`
	nodeStreams = `
import fs from 'node:fs';
import http from 'node:http';

const path = (name) => new URL(name, import.meta.url);
const server = http.createServer((req, res) => {
  if (req.url !== '/events' && req.url !== '/ticks') return res.end('hello');
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Rip-Release': 'early' });
  res.write('data: 1\n\n');
  if (req.url === '/ticks') {
    const timer = setInterval(() => res.write('data: 1\n\n'), 20);
    res.on('close', () => { clearInterval(timer); fs.writeFileSync(path('left'), ''); });
    return;
  }
  const timer = setInterval(() => {
    if (!fs.existsSync(path('go'))) return;
    clearInterval(timer);
    res.end('data: 2\n\n');
  }, 10);
});
server.listen(process.env.SOCKET_PATH);
`
	bunStreams = `
import fs from 'node:fs';

const path = (name) => new URL(name, import.meta.url);
const bytes = (text) => new TextEncoder().encode(text);
export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname !== '/events' && pathname !== '/ticks') return new Response('hello');
    let timer;
    const body = new ReadableStream({
      start(out) {
        out.enqueue(bytes('data: 1\n\n'));
        timer = setInterval(() => {
          if (pathname === '/ticks') return out.enqueue(bytes('data: 1\n\n'));
          if (!fs.existsSync(path('go'))) return;
          clearInterval(timer);
          out.enqueue(bytes('data: 2\n\n'));
          out.close();
        }, 20);
      },
      cancel() { clearInterval(timer); fs.writeFileSync(path('left'), ''); },
    });
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream', 'Rip-Release': 'early' } });
  },
};
`
)

// Events arrive when they are sent, streams that ask for it leave their slot, and the
// worker is told when the client leaves.
func TestStreams(t *testing.T) {
	for _, tt := range []struct {
		name, file, text, program string
		early                     bool
	}{
		{"rack", "config.ru", rackStreams, "ruby", false},
		{"wsgi", "app.py", wsgiStreams, "python3", false},
		{"asgi", "asgi.py", asgiStreams, "python3", true},
		{"node", "app.mjs", nodeStreams, "node", true},
		{"bun", "app.mjs", bunStreams, "bun", true},
		{"exec", "server.mjs", nodeStreams, "node", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := "adapter = \"" + tt.name + "\"\n"
			switch tt.name {
			case "bun":
				t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
			case "exec":
				settings = "command = [\"node\", \"server.mjs\"]\n"
				fallthrough
			default:
				testkit.Need(t, tt.program)
			}
			dir := t.TempDir()
			writeFiles(t, dir, map[string]string{"ripd.toml": settings, tt.file: tt.text})
			streams(t, serve(t, dir, "w:1", "--hot-reload=none"), dir, tt.early)
		})
	}
}

func streams(t *testing.T, a *app, dir string, early bool) {
	events, closeEvents := a.stream(t, "/events")
	if line, err := events.ReadString('\n'); line != "data: 1\n" {
		t.Fatal(line, err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool {
		w := a.workers(t)
		return len(w) == 1 && (w[0].Released == 1) == early && (w[0].InFlight == 0) == early
	}, "one request with its slot, or one stream without: early %v", early)
	if early {
		if got := a.do("GET", "/", ""); got != "200 hello" {
			t.Error(got)
		}
	}
	writeFiles(t, dir, map[string]string{"go": ""})
	events.ReadString('\n')
	if line, err := events.ReadString('\n'); line != "data: 2\n" {
		t.Fatal(line, err)
	}
	closeEvents()

	ticks, leave := a.stream(t, "/ticks")
	if line, err := ticks.ReadString('\n'); line != "data: 1\n" {
		t.Fatal(line, err)
	}
	leave()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		_, err := os.Stat(filepath.Join(dir, "left"))
		return err == nil
	}, "the worker is told that its client has left")
	testkit.Eventually(t, testkit.Timeout, func() bool {
		s, err := a.status()
		return err == nil && s.Released == 0 && s.Workers.Busy == 0
	}, "nothing runs")
	if got := a.do("GET", "/", ""); got != "200 hello" {
		t.Error(got)
	}
	if w := a.workers(t); len(w) != 1 || w[0].Restarts != 0 || w[0].State != api.WorkerReady {
		t.Errorf("%+v", w)
	}
}

// stream sends a request on a connection of its own, and returns the answer's body, and how to
// leave.
func (a *app) stream(t *testing.T, path string) (body *bufio.Reader, leave func()) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport, Timeout: startMost}).Get(a.url + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" || res.Header.Get("Rip-Release") != "" {
		t.Fatal(res.Header)
	}
	return bufio.NewReader(res.Body), func() { res.Body.Close() }
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
