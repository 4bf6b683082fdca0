package http1

import "testing"

func TestProtocols(t *testing.T) {
	for _, tt := range []struct{ name, raw, want string }{
		{"one", get("Connection: upgrade", "Upgrade: websocket"), "websocket"},
		{"several lines", get("Connection: upgrade", "Upgrade: a/1 , ,b", "upgrade: c"), "a/1, b, c"},
		{"h2c", get("Connection: upgrade", "Upgrade: H2C, websocket, h2c"), "websocket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			if _, err := r.Parse([]byte(tt.raw), Limits{}); err != nil || !r.Upgrade {
				t.Fatal(err)
			}
			if got := string(r.AppendProtocols([]byte("before "))); got != "before "+tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAppendRequestThatUpgrades(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte(get("Connection: keep-alive, Upgrade, x-hop", "Upgrade: h2c, websocket", "X-Hop: 1", "Sec-WebSocket-Key: k")), Limits{}); err != nil {
		t.Fatal(err)
	}
	f := Forward{ContentLength: -1, Upgrade: r.AppendProtocols(nil)}
	want := "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	if got := string(r.AppendRequest(nil, &f)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAcceptsAndSwitching(t *testing.T) {
	parse := func(raw string) *Response {
		t.Helper()
		var r Response
		if _, err := r.Parse([]byte(raw), []byte("GET"), Limits{}); err != nil {
			t.Fatal(err)
		}
		return &r
	}
	const first = "HTTP/1.1 101 Go On"
	for raw, want := range map[string]string{
		head(first, "Connection: Upgrade", "Upgrade: WebSocket"):         "WebSocket",
		head(first, "Connection: Upgrade", "Upgrade: foo/2, bar"):        "foo/2",
		head(first, "Connection: Upgrade", "Upgrade: foo/3"):             "",
		head(first, "Connection: Upgrade", "Upgrade: "):                  "",
		head(first, "Connection: Upgrade"):                               "",
		head(first, "Upgrade: websocket"):                                "",
		head("HTTP/1.1 200 OK", "Connection: Upgrade", "Upgrade: foo/2"): "",
	} {
		if got := string(parse(raw).Accepts([]byte("foo/2, websocket"))); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
	r := parse(head(first, "Connection: Upgrade, X-Hop", "Upgrade: websocket", "X-Hop: 1", "Sec-WebSocket-Accept: k", "Content-Length: 5", "Date: x"))
	want := first + "\r\nSec-WebSocket-Accept: k\r\nDate: today\r\nX-Request-Id: id\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	if got := string(r.AppendSwitching(nil, &Out{Date: []byte("today"), RequestID: []byte("id")})); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	offer := parse(head("HTTP/1.1 426 Upgrade Required", "Connection: upgrade", "Upgrade: websocket", "Content-Length: 0", "Cache-Control: x"))
	for minor, want := range []string{
		"HTTP/1.1 426 Upgrade Required\r\nCache-Control: x\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 426 Upgrade Required\r\nCache-Control: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		if got := string(offer.AppendResponse(nil, &Out{Minor: minor})); got != want {
			t.Errorf("minor %d: got %q, want %q", minor, got, want)
		}
	}
}
