package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"ripd/internal/testkit"
	"ripd/internal/wscases"
)

// sideBySide is how many cases are played at a time.
const sideBySide = 6

// What servers say for themselves is not ripd's affair: but through ripd, with and
// without TLS, they say it just so. The verdicts of all cases are the same.
// With WEBSOCKETS=all those cases are played, too, that take their time.
func TestWebSocketCases(t *testing.T) {
	long := os.Getenv("WEBSOCKETS") == "all"
	for _, server := range echoServers {
		t.Run(server.name, func(t *testing.T) {
			dir := t.TempDir()
			cert := testkit.NewCertificate(t, dir, "shop", "shop.example")
			t.Setenv("RIP_TLS_CERTIFICATE", cert.Cert)
			t.Setenv("RIP_TLS_KEY", cert.Key)
			a := serve(t, server.write(t, dir), "w:1", "https:127.0.0.1:0")
			plain := strings.TrimPrefix(a.url, "http://")
			a.secured(t, cert.Client("shop.example"))
			secure := strings.TrimPrefix(a.url, "https://")
			socket := a.workers(t)[0].Socket
			ways := []way{
				{"directly", func() (net.Conn, error) { return net.Dial("unix", socket) }},
				{"through ripd", func() (net.Conn, error) { return net.Dial("tcp", plain) }},
				{"through ripd with TLS", func() (net.Conn, error) { return tls.Dial("tcp", secure, a.tls) }},
			}
			compare(t, ways, long)
		})
	}
}

// way is how a server is reached.
type way struct {
	name string
	dial func() (net.Conn, error)
}

// compare plays the cases each way, and fails for each that ends otherwise than the
// first way.
func compare(t *testing.T, ways []way, long bool) {
	t.Helper()
	var cases []wscases.Case
	for _, c := range wscases.All() {
		if long || !c.Long {
			cases = append(cases, c)
		}
	}
	verdicts := make([][]wscases.Verdict, len(cases))
	var group sync.WaitGroup
	slots := make(chan struct{}, sideBySide)
	for i := range cases {
		verdicts[i] = make([]wscases.Verdict, len(ways))
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for j, w := range ways {
				verdicts[i][j] = cases[i].Run(w.dial, "shop.example", "/chat")
			}
		})
	}
	group.Wait()
	for i, c := range cases {
		for j, w := range ways[1:] {
			if got, want := verdicts[i][j+1], verdicts[i][0]; got.Grade != want.Grade {
				t.Errorf("%s (%s): %s it is %v, and %v %s", c.Name, c.What, ways[0].name, want, got, w.name)
			}
		}
		if v := verdicts[i][0]; v.Grade != wscases.OK {
			t.Logf("%s (%s): %v", c.Name, c.What, v)
		}
	}
	t.Log(tally(cases, verdicts))
}

// tally counts the verdicts of each group, as the table in docs/websockets.md does.
func tally(cases []wscases.Case, verdicts [][]wscases.Verdict) string {
	var text strings.Builder
	counts, order := map[string]map[wscases.Grade]int{}, []string{}
	for i, c := range cases {
		group, _, _ := strings.Cut(c.Name, ".")
		if counts[group] == nil {
			counts[group] = map[wscases.Grade]int{}
			order = append(order, group)
		}
		counts[group][verdicts[i][0].Grade]++
	}
	for _, group := range order {
		fmt.Fprintf(&text, "%s: %v; ", group, counts[group])
	}
	return text.String()
}
