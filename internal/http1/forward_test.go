package http1

import (
	"strings"
	"testing"
)

// forward parses raw and writes the head for a worker.
func forward(t testing.TB, raw string, f *Forward) string {
	t.Helper()
	var r Request
	if _, err := r.Parse([]byte(raw), Limits{}); err != nil {
		t.Fatal(err)
	}
	return string(r.AppendRequest(nil, f))
}

func TestAppendRequest(t *testing.T) {
	const first = "GET / HTTP/1.1\r\nHost: a\r\n"
	none := &Forward{ContentLength: -1}
	tests := []struct {
		name, section string
		raw           string
		f             *Forward
		want          string
	}{
		{"the least", "", get(), none, first},
		{"fields as they came", "RFC 9110 5.3", get("b:  1 ", "A: 2", "b: 3"), none, first + "b: 1\r\nA: 2\r\nb: 3\r\n"},
		{"ripd's own", "", get("A: 1"), &Forward{
			For: []byte("192.0.2.1"), Proto: []byte("http"), Host: []byte("a"), RequestID: []byte("id"), ContentLength: 7,
		}, first + "A: 1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nX-Request-Id: id\r\nContent-Length: 7\r\n"},
		{"Host goes first", "RFC 9110 7.2", "GET / HTTP/1.1\r\nA: 1\r\nhost: b:80\r\n\r\n", none,
			"GET / HTTP/1.1\r\nHost: b:80\r\nA: 1\r\n"},
		{"1.0 becomes 1.1", "RFC 9110 2.5", "GET /x HTTP/1.0\r\nA: 1\r\n\r\n", none, "GET /x HTTP/1.1\r\nHost: \r\nA: 1\r\n"},
		{"absolute form becomes origin form", "RFC 9112 3.2.2", line("GET http://b:81/x?y HTTP/1.1"), none,
			"GET /x?y HTTP/1.1\r\nHost: b:81\r\n"},
		{"absolute form with a query alone", "RFC 9112 3.2.1", line("GET http://b?y HTTP/1.1"), none,
			"GET /?y HTTP/1.1\r\nHost: b\r\n"},
		{"absolute form with nothing", "RFC 9112 3.2.1", line("GET http://b HTTP/1.1"), none, "GET / HTTP/1.1\r\nHost: b\r\n"},
		{"asterisk", "RFC 9112 3.2.4", line("OPTIONS http://b HTTP/1.1"), none, "OPTIONS * HTTP/1.1\r\nHost: b\r\n"},
		{"empty query", "RFC 9112 3.2.1", line("GET /x? HTTP/1.1"), none, "GET /x? HTTP/1.1\r\nHost: a\r\n"},

		{"chunked", "RFC 9112 6.1", get("Transfer-Encoding: chunked"), &Forward{Chunked: true, ContentLength: 5},
			first + "Transfer-Encoding: chunked\r\n"},
		{"the client's length is not passed on", "RFC 9110 8.6", get("Content-Length: 007"), &Forward{ContentLength: 7},
			first + "Content-Length: 7\r\n"},
		{"length zero", "RFC 9110 8.6", get("Content-Length: 0"), &Forward{ContentLength: 0}, first + "Content-Length: 0\r\n"},

		{"hop by hop", "RFC 9110 7.6.1", get("Connection: close", "Keep-Alive: 1", "Proxy-Connection: x", "TE: trailers",
			"Trailer: x", "Upgrade: x", "Proxy-Authorization: x", "Expect: 100-continue", "HTTP2-Settings: x", "A: 1"), none,
			first + "A: 1\r\n"},
		{"named by Connection", "RFC 9110 7.6.1", get("X-Hop: 1", "Connection: X-HOP, a-, close", "A: 2", "x-hop: 3"), none,
			first + "A: 2\r\n"},
		{"Connection cannot take these away", "RFC 9110 7.6.1",
			get("Connection: host, content-length, cookie, authorization, content-type, cache-control, x-forwarded-for, x-request-id, date",
				"Cookie: 1", "Authorization: 2", "Content-Type: 3", "Cache-Control: 4", "Content-Length: 5"),
			&Forward{For: []byte("192.0.2.1"), RequestID: []byte("id"), ContentLength: 5},
			first + "Cookie: 1\r\nAuthorization: 2\r\nContent-Type: 3\r\nCache-Control: 4\r\nX-Forwarded-For: 192.0.2.1\r\nX-Request-Id: id\r\nContent-Length: 5\r\n"},
		{"forged fields", "", get("X-Forwarded-For: 1", "x-forwarded-proto: https", "X-Forwarded-Host: b", "X-Request-Id: 1",
			"X-Request-Start: t=1", "Forwarded: for=1", "X-Forwarded-Port: 1", "X-Real-IP: 1", "Rip-Worker-Busy: 1", "Proxy: http://b", "A: 1"), none,
			first + "A: 1\r\n"},
		{"forged fields under other names", "RFC 3875 4.1.18", get("X_Forwarded_For: 1", "X-Forwarded_For: 1", "X_REQUEST_ID: 1",
			"Transfer_Encoding: chunked", "Content_Length: 1", "X!Real!IP: 1", "X_Other: 1"), none,
			first + "X_Other: 1\r\n"},
		{"a trusted proxy's fields", "RFC 7239", get("X-Forwarded-For: 1", "X-Forwarded-Port: 2", "Forwarded: for=3", "X-Real-IP: 4", "X_Real_IP: 5", "X-Forwarded-Ssl: on"),
			&Forward{Trusted: true, For: []byte("2001:db8::1, 192.0.2.1"), ContentLength: -1},
			first + "X-Forwarded-Port: 2\r\nX-Forwarded-For: 2001:db8::1, 192.0.2.1\r\n"},
		{"what a trusted proxy has told, anew", "RFC 7239 4", get("Forwarded: for=3", "X-Real-IP: 4"),
			&Forward{Trusted: true, For: []byte("2001:db8::1, 192.0.2.1"), Proto: []byte("https"), Host: []byte("a:1"), RealIP: []byte("2001:db8::1"), Forwarded: true, ContentLength: -1},
			first + "X-Forwarded-For: 2001:db8::1, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a:1\r\nX-Real-IP: 2001:db8::1\r\n" +
				"Forwarded: for=\"[2001:db8::1]\";host=\"a:1\";proto=https, for=192.0.2.1\r\n"},
		{"a client that nobody knows", "RFC 7239 6.2", get("Forwarded: for=3"), &Forward{Trusted: true, Forwarded: true, ContentLength: -1},
			first + "Forwarded: for=unknown\r\n"},
		{"upgrade that does not happen", "RFC 9110 7.8", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"), none, first},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := forward(t, tt.raw, tt.f); got != tt.want {
				t.Errorf("%s: got\n%q, want\n%q", tt.section, got, tt.want)
			}
		})
	}
}

func TestAppendRequestAppends(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte(get()), Limits{}); err != nil {
		t.Fatal(err)
	}
	got := string(AppendStart(r.AppendRequest([]byte("before "), &Forward{ContentLength: -1}), 1700000000123456))
	want := "before " + "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Start: t=1700000000123456\r\n\r\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Many options and many fields are compared in a bounded number of steps, and
// still each option counts.
func TestConnectionNamesManyFields(t *testing.T) {
	var options, lines []string
	for i := range MaxConnectionOptions {
		name := "x-" + strings.Repeat("y", i)
		options = append(options, name)
		lines = append(lines, name+": 1")
	}
	raw := get(append(lines, "Connection: "+strings.Join(options, ","))...)
	if got, want := forward(t, raw, &Forward{ContentLength: -1}), "GET / HTTP/1.1\r\nHost: a\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
