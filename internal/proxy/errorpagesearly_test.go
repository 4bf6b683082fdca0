package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ripd/internal/proxy"
)

// A request that goes to no worker gets the form of an error that it has asked for, too:
// one that comes too often, or has a body that nobody reads, over either protocol.
func TestErrorPagesForRequestsWithoutWorker(t *testing.T) {
	all := map[string]string{"429.html": "slow down {status}", "429.json": `{"too":"often {status}"}`, "4xx.json": `{"client":{status}}`}
	for name, start := range map[string]func(testing.TB, func(*proxy.Options)) *rig{"plain": newRig, "tls": newSecureRig} {
		t.Run(name, func(t *testing.T) {
			with := pages(t, all)
			r := start(t, func(o *proxy.Options) {
				with(o)
				slowly(o)
				o.Config.Limits.RateBurst = 2
			})
			c := r.dial()
			c.write("POST / HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\nContent-Length: 999999999\r\n\r\n")
			if res, body := c.read("POST"); res.StatusCode != 413 || body != `{"client":413}` || !res.Close {
				t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
			}
			c = r.dial()
			c.get("/", 503, "")
			for accept, want := range map[string]string{
				"Accept: application/json": `{"too":"often 429"}`, "Accept: text/html": "slow down 429", "Accept: text/html\r\nAccept: application/json": "slow down 429",
			} {
				res, body := c.fetch("GET", "/", strings.Split(accept, "\r\n")...)
				if res.StatusCode != 429 || body != want || res.Header.Get("Retry-After") == "" || res.Close {
					t.Errorf("%q: %d %q %v", accept, res.StatusCode, body, res.Header)
				}
			}
			if name != "tls" {
				return
			}
			req, err := http.NewRequest("GET", "https://test.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "application/json")
			res, err := r.browser().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if res.ProtoMajor != 2 || res.StatusCode != 429 || string(body) != `{"too":"often 429"}` || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %d %q %v, %v", res.Proto, res.StatusCode, body, res.Header, err)
			}
		})
	}
}
