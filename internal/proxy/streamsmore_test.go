package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"testing"

	"ripd/internal/proxy"
)

// An interim answer goes out at once, and the final one has a status of its own, however
// much later it comes.
func TestStreamsPassInterimAnswersOn(t *testing.T) {
	r := newSecureRig(t, nil)
	seen := make(chan struct{}, 2)
	r.worker(func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		for _, link := range []string{"a", "b"} {
			fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: </%s.css>\r\n\r\n", link)
			<-seen
		}
		fmt.Fprint(c, "HTTP/1.1 404 Not Found\r\nX-Final: yes\r\nContent-Length: 4\r\n\r\nnone")
	})
	var links []string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			links = append(links, fmt.Sprint(code, h.Get("Link")))
			seen <- struct{}{}
			return nil
		},
	})
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://test.example/", nil)
	defer close(seen)
	res, err := r.browser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusNotFound || string(b) != "none" || res.Header.Get("X-Final") != "yes" || res.Header.Get("Link") != "" {
		t.Errorf("%d %v %q, %v", res.StatusCode, res.Header, b, err)
	}
	if got := fmt.Sprint(links); got != "[103</a.css> 103</b.css>]" {
		t.Errorf("interim answers: %s", got)
	}
}

// browserVia is browser with connections that begin with header.
func (r *rig) browserVia(header string) *http.Client {
	r.t.Helper()
	c := r.browser()
	tr := c.Transport.(*http.Transport)
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", r.addr)
		if err == nil {
			_, err = io.WriteString(conn, header)
		}
		return conn, err
	}
	return c
}

// A PROXY header comes before TLS, and tells who the client of all streams is.
func TestStreamsBehindAHeader(t *testing.T) {
	r := newSecureRig(t, announcing)
	r.worker(handler(told))
	c := r.browserVia(headerLine)
	for range 2 {
		res := r.fetch(c, "GET", "/", nil, 200, "192.0.2.1")
		if res.TLS == nil || res.TLS.NegotiatedProtocol != "h2" {
			t.Error("it was not HTTP/2")
		}
	}

	// The header and the beginning of the handshake come as one.
	config := r.cert.Client("test.example")
	config.NextProtos = []string{"h2"}
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(&prefixed{Conn: conn, prefix: headerLine}, config).Handshake(); err != nil {
		t.Error(err)
	}
}

// prefixed writes prefix together with the first bytes.
type prefixed struct {
	net.Conn
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(append([]byte(p.prefix), b...))
	n -= len(p.prefix)
	p.prefix = ""
	return n, err
}

// What a trusted proxy says of its client holds over HTTP/2, too.
func TestStreamsOfATrustedProxy(t *testing.T) {
	const policy = "max-age=300"
	for name, test := range map[string]struct {
		fields         []string
		status         int
		location, hsts string
	}{
		"https":      {[]string{"X-Forwarded-Proto", "https"}, 200, "", policy},
		"http":       {[]string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "shop.example:8080"}, 308, "https://shop.example/a?b", ""},
		"not told":   {nil, 200, "", policy},
		"unreadable": {[]string{"Forwarded", "for=\"192.0.2.1"}, 400, "", policy},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSecureRig(t, func(o *proxy.Options) {
				loopback(o)
				o.Config.TLS.RedirectHTTP, o.Config.TLS.HSTS = true, policy
			})
			r.worker(handler(told))
			req, _ := http.NewRequest("GET", "https://test.example/a?b", nil)
			for i := 0; i < len(test.fields); i += 2 {
				req.Header.Set(test.fields[i], test.fields[i+1])
			}
			res, err := r.browser().Transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.ProtoMajor != 2 || res.StatusCode != test.status || res.Header.Get("Location") != test.location || res.Header.Get("Strict-Transport-Security") != test.hsts {
				t.Errorf("%s %d %v", res.Proto, res.StatusCode, res.Header)
			}
		})
	}
}
