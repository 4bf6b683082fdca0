package adapter

import (
	"io"
	"strings"
	"testing"
)

const strictApp = `
lengths = { '/line' => "2\r\n", '/blank' => "2\n", '/forged' => "2\r\nx-b: 2\r\n", '/minus' => '-2', '/score' => '1_0', '/twice' => '2', '/other' => '2' }
more = { '/twice' => '2', '/other' => '3' }
run(lambda do |env|
  path = env['PATH_INFO']
  next [200, {}, [env.fetch('HTTP_HOST', '-')]] unless lengths[path]

  [200, { 'content-length' => lengths[path], 'Content-Length' => more[path] }, ['ok']]
end)
`

// A length that is none, or two that differ, would let an answer end elsewhere than it does.
func TestRackLengths(t *testing.T) { eachRack(t, rackLengths) }

func rackLengths(t *testing.T, e engine) {
	dir := newFolder(t)
	dir.save("config.ru", strictApp)
	w := startJS(t, e, dir.path("config.ru"))
	for _, path := range []string{"/line", "/blank", "/forged", "/minus", "/score", "/other"} {
		if got := w.get(path); !strings.HasPrefix(got, "500 ") {
			t.Errorf("%s: %q", path, got)
		}
	}
	conn, in := w.raw(t, "GET /twice HTTP/1.1\r\n\r\n")
	expect(t, in, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	conn.Close()
	w.stops(t)
}

// What is no head, or says in two ways where the body ends, is refused, also when all of
// its names are known.
func TestRackRefuses(t *testing.T) { eachRack(t, rackRefuses) }

func rackRefuses(t *testing.T, e engine) {
	dir := newFolder(t)
	dir.save("config.ru", strictApp)
	w := startJS(t, e, dir.path("config.ru"))
	for range 2 {
		for _, c := range []struct{ send, want string }{
			{"GET / HTTP/1.1\r\nX-A: 1\r\n b: 2\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A: 1\r\n\tb\r\n", "400"},
			{"GET / HTTP/1.1\r\n: 1\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A : 1\r\n", "400"},
			{"GET / HTTP/1.1\r\n X-A: 1\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A\r\nX-B: 1\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A: 1\rX-B: 2\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A: 1\nX-B: 2\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A: 1\x00\r\n", "400"},
			{"GET / HTTP/1.1\r\nX-A\x00: 1\r\n", "400"},
			{"GET /\x00 HTTP/1.1\r\n", "400"},
			{"GET / x HTTP/1.1\r\n", "400"},
			{"GET /\tx HTTP/1.1\r\n", "400"},
			{"GET  HTTP/1.1\r\n", "400"},
			{"GET HTTP/1.1\r\n", "400"},
			{" / HTTP/1.1\r\n", "400"},
			{"GET / HTTP/2.0\r\n", "400"},
			{"GET / HTTP/1.10\r\n", "400"},
			{"GET / http/1.1\r\n", "400"},
			{"GET /\r\n", "400"},
			{"X\r\n", "400"},
			{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "400"},
			{"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n", "400"},
			{"POST / HTTP/1.1\r\nContent-Length: +1\r\n", "400"},
			{"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n", "400"},
			{"POST / HTTP/1.1\r\nContent-Length: \r\n", "400"},
			{"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "400"},
			{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 1\r\n", "400"},
			{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "501"},
			{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n", "501"},
			{"POST / HTTP/1.1\r\nTransfer-Encoding: \xffchunked\r\n", "501"},
			{"GET / HTTP/1.1\r\nX-\xe9: \xe9\r\nX-A: 1\r\nConnection: \xe9, close\r\n", "200"},
		} {
			conn, in := w.raw(t, c.send+"\r\n")
			got, err := io.ReadAll(in)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 "+c.want) || strings.Count(string(got), "HTTP/1.1 ") != 1 {
				t.Errorf("%q: %q, %v", c.send, got, err)
			}
			conn.Close()
		}
	}
	w.stops(t)
}
