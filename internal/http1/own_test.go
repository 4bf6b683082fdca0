package http1

import (
	"strings"
	"testing"
)

func TestOwnAnswers(t *testing.T) {
	var r Response
	for _, c := range []struct {
		status int
		length int64
		body   bool
		want   string
	}{
		{200, 5, true, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nCache-Control: public\r\nX-Request-Id: 1\r\nContent-Length: 5\r\n\r\n"},
		{206, 5, false, "HTTP/1.1 206 Partial Content\r\nETag: \"x\"\r\nCache-Control: public\r\nX-Request-Id: 1\r\nContent-Length: 5\r\n\r\n"},
		{304, -1, false, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nCache-Control: public\r\nX-Request-Id: 1\r\n\r\n"},
	} {
		r.Own(c.status, c.length, c.body)
		r.Add([]byte("ETag"), []byte(`"x"`))
		r.Add([]byte("Cache-Control"), []byte("public"))
		out := Out{RequestID: []byte("1")}
		r.Frame(&out, 1, true)
		if got := string(r.AppendResponse(nil, &out)); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
	r.Own(200, 1, true)
	r.Add([]byte("Last-Modified"), []byte("x"))
	out := Out{}
	r.Frame(&out, 0, true)
	if got := string(r.AppendResponse(nil, &out)); !strings.Contains(got, "Cache-Control: no-cache\r\n") || !strings.HasSuffix(got, "Connection: keep-alive\r\n\r\n") {
		t.Errorf("got\n%s", got)
	}
}
