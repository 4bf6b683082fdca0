package adapter

import (
	"io"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

const hijackApp = `
run(lambda do |env|
  case env['PATH_INFO']
  when '/full' # with bytes of the body that have come with the head
    io = env['rack.hijack'].call
    raise 'not the same' unless io.equal?(env['rack.hijack'].call) && io.equal?(env['rack.hijack_io'])
    raise 'it blocks' if (io.fcntl(3) & File::NONBLOCK).zero? # F_GETFL; libraries wait for it in loops of their own
    Thread.new do
      io.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ntook #{io.readpartial(100)}")
      io.close
    end
    [-1, {}, []]
  when '/partial'
    taker = ->(io) { io.write('the rest'); io.close }
    [200, { 'Content-Type' => 'text/plain', 'rack.hijack' => taker }, []]
  when '/switch'
    taker = ->(io) { Thread.new { io.write("you said #{io.gets}"); io.close } }
    [101, { 'Connection' => 'Upgrade', 'Upgrade' => 'lines', 'rack.hijack' => taker }, []]
  when '/fail'
    env['rack.hijack'].call.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    raise 'behind the hijacking'
  else
    [200, { 'Content-Type' => 'text/plain' }, ["#{env['rack.hijack?']}"]]
  end
end)
`

// An app that takes the connection, before or behind the head.
func TestRackHijack(t *testing.T) { eachRack(t, rackHijack) }

func rackHijack(t *testing.T, e engine) {
	dir := newFolder(t)
	dir.save("config.ru", hijackApp)
	w := startJS(t, e, dir.path("config.ru"))
	for _, c := range []struct{ send, want string }{
		{"POST /full HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ntook body"},
		{"GET /partial HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nthe rest"},
		{"GET /switch HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nhello\n",
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nyou said hello\n"},
		{"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
	} {
		_, in := w.raw(t, c.send)
		expect(t, in, c.want)
		if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
			t.Errorf("%q: behind the answer %q %v", c.send, rest, err)
		}
	}
	w.Stderr.WaitFor(t, testkit.Timeout, "behind the hijacking")
	if got := w.get("/"); got != "200 true" {
		t.Errorf("%s", got)
	}
	w.stops(t)
	if said := w.Stderr.String(); strings.Count(said, "request ") != 1 {
		t.Errorf("its log: %s", said)
	}
}
