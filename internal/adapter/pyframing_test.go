package adapter

import (
	"strings"
	"testing"
)

// Each app answers with the lengths that the query has, or in pieces.
var framingApps = []struct {
	engine
	text string
}{
	{wsgiEngine, `
def app(environ, start_response):
    lengths = [one for one in environ['QUERY_STRING'].split('&') if one]
    start_response('200 OK', [('Content-Length', one) for one in lengths])
    return iter([b'o', b'k']) if environ['PATH_INFO'] == '/pieces' else [b'ok'] if environ['REQUEST_METHOD'] != 'HEAD' else []
`},
	{asgiEngine, `
async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    lengths = [one for one in scope['query_string'].split(b'&') if one]
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'Content-Length', one) for one in lengths]})
    if scope['path'] == '/pieces':
        await send({'type': 'http.response.body', 'body': b'o', 'more_body': True})
        await send({'type': 'http.response.body', 'body': b'k', 'more_body': True})
        await send({'type': 'http.response.body'})
    else:
        await send({'type': 'http.response.body', 'body': b'' if scope['method'] == 'HEAD' else b'ok'})
`},
}

// How an answer says where it ends; a length that is none, or two that differ, would let
// it end elsewhere.
func TestPythonFraming(t *testing.T) {
	for _, app := range framingApps {
		t.Run(app.name, func(t *testing.T) {
			dir := newFolder(t)
			dir.save("app.py", app.text)
			w := startJS(t, app.engine, dir.path("app.py"))
			for _, query := range []string{"1_0", "-1", "+2", "2x", "2&3"} {
				if got := w.get("/?" + query); got != "500 Internal Server Error\n" {
					t.Errorf("lengths %s: %q", query, got)
				}
			}
			for _, c := range []struct{ send, want string }{
				{"GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
				{"GET /?2 HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
				{"GET /pieces HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"},
				{"GET /pieces?2 HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
				{"GET /pieces HTTP/1.0", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"},
				{"HEAD / HTTP/1.1", "HTTP/1.1 200 OK\r\n\r\n"}, // what GET would have is not known
				{"HEAD /?2 HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"},
			} {
				follows := "\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n"
				want := c.want + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
				if strings.HasSuffix(c.send, "1.0") {
					follows, want = "\r\n\r\n", c.want
				}
				_, in := w.raw(t, c.send+follows)
				if got := read(t, in); got != want {
					t.Errorf("%s: %q, want %q", c.send, got, want)
				}
			}
			w.stops(t)
		})
	}
}
