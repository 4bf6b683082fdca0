package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"

	"ripd/internal/testkit"
)

// echoWorker is the environment variable that makes this test's binary a worker that
// echoes the messages of WebSockets.
const echoWorker = "RIPD_TEST_ECHO"

func serveEchoes() error {
	l, err := net.Listen("unix", os.Getenv("SOCKET_PATH"))
	if err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ended
		l.Close()
	}()
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return // it has answered
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for ctx := context.Background(); ; {
			kind, data, err := c.Read(ctx)
			if err != nil {
				return // it has answered
			}
			if kind == websocket.MessageText && !utf8.Valid(data) { // which the library leaves to the app
				c.Close(websocket.StatusInvalidFramePayloadData, "no UTF-8")
				return
			}
			if c.Write(ctx, kind, data) != nil {
				return
			}
		}
	}))
	if !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// echoServers are the apps that the cases are played against: each with what it says
// for itself of the protocol.
var echoServers = []struct {
	name  string
	write func(t *testing.T, dir string) string // gives the argument of ripd
}{
	{"Go (coder/websocket)", func(t *testing.T, dir string) string {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return save(t, dir, "echo.toml", fmt.Sprintf("command = [%q]\nenv = { %s = \"1\" }\n", self, echoWorker))
	}},
	{"Node.js (ws)", func(t *testing.T, dir string) string {
		testkit.Need(t, "node")
		return save(t, dir, "app.mjs", strings.ReplaceAll(`
import http from 'node:http';
import { createRequire } from 'node:module';
const { WebSocketServer } = createRequire('NPM/')('ws');
const server = http.createServer((req, res) => res.end('plain'));
const wss = new WebSocketServer({ server, perMessageDeflate: true });
wss.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.on('error', () => {});
});
server.listen(process.env.SOCKET_PATH);
`, "NPM", testkit.NPM(t)))
	}},
	{"Bun", func(t *testing.T, dir string) string {
		t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
		t.Setenv("RIP_ADAPTER", "bun")
		return save(t, dir, "app.mjs", `
export default {
  fetch: (request, server) => server.upgrade(request) ? undefined : new Response('plain'),
  websocket: {
    perMessageDeflate: true, maxPayloadLength: 64 << 20, backpressureLimit: 64 << 20,
    message(socket, data) { socket.send(data); },
  },
};
`)
	}},
	{"ASGI (Starlette)", func(t *testing.T, dir string) string {
		needPython(t, "starlette")
		t.Setenv("PATH", filepath.Dir(debianPython)+":"+os.Getenv("PATH"))
		return save(t, dir, "asgi.py", starletteApp)
	}},
	{"Rack (websocket-driver)", func(t *testing.T, dir string) string {
		needGems(t, "websocket-driver")
		return save(t, dir, "config.ru", driverApp)
	}},
	{"Python (websockets)", func(t *testing.T, dir string) string {
		needPython(t, "websockets")
		script := save(t, dir, "echo.py", `
import asyncio, os, signal, websockets

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with websockets.unix_serve(echo, os.environ["SOCKET_PATH"], max_size=None):
        await stop.wait()

asyncio.run(main())
`)
		return save(t, dir, "echo.toml", fmt.Sprintf("command = [%q, %q]\n", debianPython, script))
	}},
}

const starletteApp = `
import os
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

async def echo(socket):
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        await socket.send({**message, "type": "websocket.send"})

async def pid(request):
    return PlainTextResponse(str(os.getpid()))

app = Starlette(routes=[WebSocketRoute("/chat", echo), Route("/", pid)])
`

// driverApp takes the connection (rack.hijack), as Action Cable and Faye do.
const driverApp = `
require 'websocket/driver'

class Echo
  attr_reader :env

  def initialize(env)
    @env = env
    @io = env['rack.hijack'].call
    @driver = WebSocket::Driver.rack(self, max_length: 64 << 20)
    @driver.on(:message) { |e| e.data.is_a?(String) ? @driver.text(e.data) : @driver.binary(e.data) }
    @driver.on(:close) { @io.close_write }
    @driver.start
    Thread.new { read }
  end

  def url = 'ws://shop.example/chat'
  def write(data) = @io.write(data)

  def read
    loop { @driver.parse(@io.readpartial(65_536)) }
  rescue SystemCallError, IOError
    @io.close unless @io.closed?
  end
end

run(lambda do |env|
  next [200, {}, [Process.pid.to_s]] unless WebSocket::Driver.websocket?(env)

  Echo.new(env)
  [-1, {}, []]
end)
`

func needGems(t *testing.T, names ...string) {
	t.Helper()
	testkit.Need(t, "ruby")
	if out, err := exec.Command("ruby", append([]string{"-e", "ARGV.each { |name| gem name }"}, names...)...).CombinedOutput(); err != nil {
		testkit.Lacking(t, fmt.Sprintf("Ruby lacks one of %v; `make packages` installs them: %s", names, out))
	}
}

// debianPython has the modules that Debian packages.
const debianPython = "/usr/bin/python3"

func needPython(t *testing.T, module string) {
	t.Helper()
	if out, err := exec.Command(debianPython, "-c", "import "+module).CombinedOutput(); err != nil {
		testkit.Lacking(t, fmt.Sprintf("Python lacks %s; `make packages` installs it: %s", module, out))
	}
}

func save(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
