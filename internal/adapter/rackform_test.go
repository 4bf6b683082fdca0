package adapter

import (
	"io"
	"strings"
	"testing"
)

const formApp = `
ASKED = %w[REQUEST_METHOD PATH_INFO QUERY_STRING REQUEST_URI SERVER_PROTOCOL HTTP_VERSION SERVER_NAME SERVER_PORT REMOTE_ADDR
           CONTENT_TYPE CONTENT_LENGTH HTTP_X_A HTTP_COOKIE].freeze
answers = {
  '/latin' => [{ 'x-a' => "caf\xE9".b, 'x-b' => 'café', 'x-c' => "\xE9" }, ["\xE9".b, 'é']],
  '/lengths' => [{ 'Content-Type' => 'text/plain', 'CONTENT-LENGTH' => '2' }, ['ok']],
  '/lines' => [{ 'x-a' => "1\n2", 'x-b' => 3, 'x-c' => '', :'x-d' => "4\t5", 'rack.x' => '6' }, ['ok']],
  '/hops' => [{ 'Connection' => 'keep-alive', 'Keep-Alive' => '5', 'x-a' => '1' }, ['ok']],
  '/forged' => [{ 'x-a' => "1\r\nx-b: 2" }, ['ok']],
  '/unnamed' => [{ 'x a' => '1' }, ['ok']],
  '/odd' => [{ 'x-a' => '1' }, ['ok'], 299]
}
run(lambda do |env|
  headers, body, status = answers[env['PATH_INFO']]
  next [status || 200, headers, body] if headers

  said = ASKED.map { |key| env[key] }.join('|')
  ASKED.first(4).each { |key| env[key] << '!' unless env[key].frozen? } # must not be seen by the next request
  env['HTTP_X_A'] << '!' if env['HTTP_X_A']
  env['HTTP_HOST'] << '!' if env['HTTP_HOST']
  [200, {}, ["#{said}|#{env['rack.input'].read}#{env['rack.input'].read(1).inspect}"]]
end)
`

// What comes in a head, in all its forms, and what an app may answer.
func TestRackForms(t *testing.T) { eachRack(t, rackForms) }

func rackForms(t *testing.T, e engine) {
	dir := newFolder(t)
	dir.save("config.ru", formApp)
	w := startJS(t, e, dir.path("config.ru"))
	version := "" // HTTP_VERSION, which Rack 3 does not have
	if _, in := w.raw(t, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"); strings.Count(read(t, in), "HTTP/1.1") == 3 {
		version = "HTTP/1.1"
	}
	for range 2 { // the second time all names are known
		for _, c := range []struct{ send, want string }{
			{"GET /a%20b?c=1?d HTTP/1.1\r\nHost: h:81\r\nX-Forwarded-For: 192.0.2.1 , 192.0.2.2\r\n", "GET|/a%20b|c=1?d|/a%20b?c=1?d|HTTP/1.1|" + version + "|h|81|192.0.2.1|||||nil"},
			{"GET http://x?c HTTP/1.1\r\nHost: [::1]\r\nX-Forwarded-Proto: https\r\n", "GET|/|c|http://x?c|HTTP/1.1|" + version + "|[::1]|443||||||nil"},
			{"GET / HTTP/1.1\r\nX-A:1\r\nx-a: \t2 \r\nX_A: 3\r\nCookie: a=1\r\ncookie: b=2\r\nVersion: 9\r\n", "GET|/||/|HTTP/1.1|" + version + "|localhost|80||||1,2|a=1; b=2|nil"},
			{"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Type: a/b\r\nContent-Length: 2\r\n", "POST|/||/|HTTP/1.1|" + version + "|localhost|80||a/b|2|||oknil"},
			{"POST / HTTP/1.1\r\nContent-Length: 0\r\n", "POST|/||/|HTTP/1.1|" + version + "|localhost|80|||0|||nil"},
		} {
			_, in := w.raw(t, c.send+"Connection: close\r\n\r\n"+strings.Repeat("ok", strings.Count(c.send, "Type")))
			if _, body, _ := strings.Cut(read(t, in), "\r\n\r\n"); body != c.want {
				t.Errorf("%q:\n%q\nwant\n%q", c.send, body, c.want)
			}
		}
		for _, c := range []struct{ path, want string }{
			{"/latin", "200 OK\r\nx-a: caf\xe9\r\nx-b: café\r\nx-c: \xe9\r\nContent-Length: 3\r\n\r\n\xe9é"},
			{"/lengths", "200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"},
			{"/lines", "200 OK\r\nx-a: 1\r\nx-a: 2\r\nx-b: 3\r\nx-d: 4\t5\r\nContent-Length: 2\r\n\r\nok"},
			{"/hops", "200 OK\r\nx-a: 1\r\nContent-Length: 2\r\n\r\nok"},
			{"/odd", "299 \r\nx-a: 1\r\nContent-Length: 2\r\n\r\nok"},
			{"/forged", "500 Internal Server Error\r\n"},
			{"/unnamed", "500 Internal Server Error\r\n"},
		} {
			conn, in := w.raw(t, "GET "+c.path+" HTTP/1.1\r\n\r\n")
			expect(t, in, "HTTP/1.1 "+c.want)
			conn.Close()
		}
	}
	w.stops(t)
	if said := w.Stderr.String(); strings.Count(said, "this is no header field") != 4 {
		t.Errorf("its log: %s", said)
	}
}

func read(t *testing.T, in io.Reader) string {
	t.Helper()
	got, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// Many small answers, and a large one that the kernel does not take at once, to a
// client that sends requests without waiting and reads late.
func TestRackPipeline(t *testing.T) { eachRack(t, rackPipeline) }

func rackPipeline(t *testing.T, e engine) {
	dir := newFolder(t)
	dir.save("config.ru", `run ->(env) { [200, {}, ["x" * env["PATH_INFO"].delete("/").to_i]] }`)
	w := startJS(t, e, dir.path("config.ru"))
	const requests, size = 50, 300_000
	_, in := w.raw(t, strings.Repeat("GET /300000 HTTP/1.1\r\n\r\n", requests)+"GET /1 HTTP/1.1\r\nConnection: close\r\n\r\n")
	got := read(t, in)
	head := "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"
	want := strings.Repeat(head+strings.Repeat("x", size), requests) + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
	if got != want {
		t.Errorf("%d bytes, want %d; the end is %q", len(got), len(want), got[max(0, len(got)-200):])
	}
	if other := w.get("/1"); other != "200 x" {
		t.Errorf("another connection: %s", other)
	}
	w.stops(t)
}

// An app that changes a string in its place changes one value of one request.
func TestRackStringsAreTheirOwn(t *testing.T) {
	eachRack(t, rackStrings)
}

func rackStrings(t *testing.T, e engine) {
	dir := newFolder(t)
	dir.save("config.ru", `
run(lambda do |env|
  strings = env.values.grep(String).reject(&:frozen?)
  before = env.transform_values { |value| value.to_s.dup }
  strings.each { |string| string << '!' }
  wrong = before.reject { |key, value| ["#{value}!", value].include?(env[key].to_s) }.keys
  again = before.select { |_, value| value.include?('!') }.keys
  [200, {}, ["#{strings.size > 5} #{wrong} #{again}"]]
end)`)
	w := startJS(t, e, dir.path("config.ru"))
	for range 2 {
		for _, path := range []string{"/", "/path", "/path?query"} {
			if got := text(w.do("GET", path, "", "X-Forwarded-For: 192.0.2.1", "X-A: 1")); got != "200 true [] []" {
				t.Errorf("%s: %s", path, got)
			}
		}
	}
	w.stops(t)
}
