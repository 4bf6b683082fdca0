package adapter

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

func newDemo(t *testing.T) *httptest.Server {
	logger := log.New(io.Discard, "", 0)
	s := httptest.NewUnstartedServer(demoHandler(worker{id: 3, generation: "2"}, logger, func(int) {}))
	s.Listener = directListener{s.Listener}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestDemoAnswers(t *testing.T) {
	s := newDemo(t)
	for _, c := range []struct{ path, want string }{
		{"/", "200 This is ripd's demo: worker 3 of generation 2"},
		{"/nowhere", "404 This is ripd's demo"},
		{"/ping", "200 pong 20"},
		{"/sleep?ms=1", "200 slept 1 ms in worker 3\n"},
		{"/sleep?ms=60001", "400 ms=60001 is not a whole number from 0 to 60000\n"},
		{"/sleep?ms=-1", "400 ms=-1 is not"},
		{"/sleep?ms=x", "400 ms=x is not"},
		{"/stream?n=2&ms=1", "200 line 1 of 2 at 20"},
		{"/stream?n=10001", "400 n=10001 is not a whole number from 0 to 10000\n"},
		{"/stream?n=10000&ms=10000", "400 n=10000 lines every ms=10000 take longer than 5m0s\n"},
		{"/stream?ms=99999", "400 ms=99999 is not a whole number from 0 to 10000\n"},
	} {
		t.Run(c.path, func(t *testing.T) {
			if got := text(http.Get(s.URL + c.path)); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEchoShowsTheRequest(t *testing.T) {
	s := newDemo(t)
	request, err := http.NewRequest("POST", s.URL+"/echo?a=b", strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Add("X-One", "2")
	request.Header.Add("X-One", "1")
	request.Header.Set("User-Agent", "test")
	request.Host = "shop.example"
	want := "200 POST /echo?a=b HTTP/1.1\nHost: shop.example\nAccept-Encoding: gzip\nContent-Length: 8\nUser-Agent: test\nX-One: 2\nX-One: 1\nContent-Length: 8\n\nthe body"
	if got := text(http.DefaultClient.Do(request)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A body comes back while it is still being sent.
func TestEchoStreams(t *testing.T) {
	s := newDemo(t)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	io.WriteString(conn, "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body := bufio.NewReader(answer.Body)
	expect := func(text string) {
		t.Helper()
		for {
			line, err := body.ReadBytes(text[len(text)-1])
			if bytes.HasSuffix(line, []byte(text)) {
				return
			}
			if err != nil {
				t.Fatalf("%q did not come back: %v", text, err)
			}
		}
	}
	expect("Transfer-Encoding: chunked\n\nfirst")
	io.WriteString(conn, "6\r\nsecond\r\n")
	expect("second")
	io.WriteString(conn, "0\r\n\r\n")
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

func TestStreamSendsLinesAsTheyCome(t *testing.T) {
	s := newDemo(t)
	for _, c := range []struct{ accept, kind, line string }{
		{"", textPlain, "line 1 of 3 at "},
		{"text/event-stream, */*", eventStream, "id: 1\n"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			// The pause is longer than the test may take: the first line comes
			// before the second is due.
			request, err := http.NewRequest("GET", s.URL+"/stream?n=3&ms=10000", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept", c.accept)
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if got := answer.Header.Get("Content-Type"); got != c.kind {
				t.Errorf("content type %q", got)
			}
			line := make(chan string, 1)
			go func() {
				got, _ := bufio.NewReader(answer.Body).ReadString('\n')
				line <- got
			}()
			if got := testkit.Receive(t, testkit.Timeout, line); !strings.HasPrefix(got, c.line) {
				t.Errorf("the first line is %q", got)
			}
			answer.Body.Close()
		})
	}
}
