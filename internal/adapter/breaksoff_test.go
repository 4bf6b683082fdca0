package adapter

import (
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// Each app tells that it reads, and has a connection of its own that breaks off.
var brokenApps = []struct {
	engine
	file, text string
}{
	{rackEngine, "config.ru", `
run(lambda do |env|
  case env['PATH_INFO']
  when '/own' then raise Errno::ECONNRESET, 'of the data base'
  when '/read' then $stderr.puts('it reads') || env['rack.input'].read
  end
  [200, {}, ['ok']]
end)`},
	{wsgiEngine, "app.py", `
import sys
def app(environ, start_response):
    if environ['PATH_INFO'] == '/own':
        raise ConnectionResetError('of the data base')
    if environ['PATH_INFO'] == '/read':
        print('it reads', file=sys.stderr, flush=True)
        environ['wsgi.input'].read()
    start_response('200 OK', [])
    return [b'ok']
`},
	{asgiEngine, "app.py", `
import sys
async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    if scope['path'] == '/own':
        raise ConnectionResetError('of the data base')
    if scope['path'] == '/read':
        print('it reads', file=sys.stderr, flush=True)
        while (await receive())['more_body']:
            pass
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'ok'})
`},
}

// An app whose own connection breaks off has failed, and is told of and answered for as
// such. A client that leaves is nobody's failure.
func TestConnectionsThatBreakOff(t *testing.T) {
	for _, app := range brokenApps {
		t.Run(app.name, func(t *testing.T) {
			dir := newFolder(t)
			dir.save(app.file, app.text)
			w := startJS(t, app.engine, dir.path(app.file))
			if got := w.get("/own"); got != "500 Internal Server Error\n" {
				t.Errorf("%q", got)
			}
			conn, _ := w.raw(t, "POST /read HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
			w.Stderr.WaitFor(t, testkit.Timeout, "it reads")
			conn.Close()
			if got := w.get("/"); got != "200 ok" {
				t.Errorf("%q", got)
			}
			w.stops(t)
			if said := w.Stderr.String(); !strings.Contains(said, "of the data base") || strings.Count(said, "request ") != 1 {
				t.Errorf("its log: %s", said)
			}
		})
	}
}

// A connection that an app has taken is closed when it fails with that.
func TestRackClosesWhatWasTaken(t *testing.T) {
	dir := newFolder(t)
	dir.save("config.ru", `run(->(env) { env['rack.hijack'].call; raise Errno::EPIPE })`)
	w := startJS(t, rackEngine, dir.path("config.ru"))
	if _, in := w.raw(t, "GET / HTTP/1.1\r\n\r\n"); read(t, in) != "" {
		t.Error("something was answered")
	}
	w.stops(t)
}
