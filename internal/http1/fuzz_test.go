package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func FuzzRequest(f *testing.F) {
	for _, s := range corpus(f, "requests") {
		f.Add(s.raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkRequest(t, raw) })
}

// checkRequest checks all that must hold for any bytes that a client sends.
func checkRequest(t tester, raw []byte) {
	t.Helper()
	requestInPieces(t, raw)
	var r Request
	n, err := r.Parse(raw, Limits{})
	if statusOf(t, err) != 0 {
		return
	}
	checkLines(t, raw[:n])
	if r.Chunked && r.ContentLength != noLength {
		t.Fatal("both lengths")
	}
	forwardedMeansTheSame(t, &r)
	requestAgreesWithNetHTTP(t, &r, raw)
}

// checkLines checks that an accepted head has no byte that another peer could
// take for the end of a line, or of a string.
func checkLines(t tester, head []byte) {
	t.Helper()
	rest := strings.ReplaceAll(string(head), "\r\n", "")
	if i := strings.IndexAny(rest, "\r\n\x00"); i >= 0 {
		t.Fatalf("accepted with the byte %#x: %q", rest[i], head)
	}
	if bytes.Contains(head, []byte("\r\n ")) || bytes.Contains(head, []byte("\r\n\t")) {
		t.Fatalf("accepted with a folded line: %q", head)
	}
}

// forwardedMeansTheSame writes the head for a worker and reads it as the worker
// would: the same method, path, host and framing, nothing for one hop, and
// nothing of the client's in ripd's fields.
func forwardedMeansTheSame(t tester, r *Request) {
	t.Helper()
	forward := Forward{For: []byte("192.0.2.1"), RequestID: []byte("id"), ContentLength: r.ContentLength, Chunked: r.Chunked}
	head := AppendStart(r.AppendRequest(nil, &forward), 1)
	var again Request
	n, err := again.Parse(head, Limits{HeaderBytes: len(head) + 1, Fields: MaxFields + 8})
	if err != nil && r.Host == nil && bytes.Contains(head, []byte("\r\nHost: \r\n")) {
		return // an HTTP/1.0 request without Host
	}
	if err != nil || n != len(head) {
		t.Fatalf("written %q: %d, %v", head, n, err)
	}
	if string(again.Method) != string(r.Method) || string(again.Path) != string(r.Path) || string(again.Query) != string(r.Query) ||
		string(again.Host) != string(r.Host) || again.ContentLength != r.ContentLength || again.Chunked != r.Chunked {
		t.Fatalf("read %s\nwritten %s", describe(r), describe(&again))
	}
	own := map[fieldKind]int{}
	for _, f := range again.Fields {
		switch own[f.kind]++; f.kind {
		case kindConnection, kindHop, kindTE, kindTrailer, kindUpgrade, kindExpect, kindShadow, kindOrigin, kindForwardedMore, kindWorker, kindWorkerBusy:
			t.Fatalf("written with %s: %q", f.Name, head)
		}
	}
	if own[kindForwarded] != 1 || own[kindRequestMark] != 2 || own[kindHost] != 1 ||
		own[kindContentLength]+own[kindTransferEncoding] > 1 {
		t.Fatalf("ripd's own fields are not single: %q", head)
	}
}

// requestAgreesWithNetHTTP checks that net/http accepts what is accepted here,
// and frames it alike. There is one exception.
func requestAgreesWithNetHTTP(t tester, r *Request, raw []byte) {
	t.Helper()
	head := bytes.TrimLeft(raw, "\r\n") // net/http does not pass over empty lines
	src := bufio.NewReader(bytes.NewReader(head))
	req, err := http.ReadRequest(src)
	if err != nil {
		// net/http refuses a Trailer field that names framing; here the field
		// and such trailers are dropped.
		if r.Chunked && strings.Contains(err.Error(), "bad trailer key") {
			return
		}
		t.Fatalf("net/http: %v for %q", err, raw)
	}
	length := r.ContentLength
	switch {
	case r.Chunked:
		length = -1
	case length == noLength:
		length = 0
	}
	if req.ContentLength != length {
		t.Fatalf("length %d, net/http: %d for %q", length, req.ContentLength, raw)
	}
	if req.Method != string(r.Method) || req.RequestURI != string(r.Target) || req.ProtoMinor != r.Minor || req.Close == r.KeepAlive {
		t.Fatalf("%s\nnet/http: %s %s 1.%d, close %v", describe(r), req.Method, req.RequestURI, req.ProtoMinor, req.Close)
	}
	if req.Host != string(r.Host) {
		t.Fatalf("host %q, net/http: %q for %q", r.Host, req.Host, raw)
	}
	if r.Chunked {
		chunksAgree(t, raw[r.HeadLen:], req.Body)
	}
}

// chunksAgree checks that net/http reads the same data from a body that is
// accepted here.
func chunksAgree(t tester, raw []byte, theirs io.Reader) {
	t.Helper()
	data, _, err := decodeAll(raw, max(1, len(raw)))
	if err != nil {
		return
	}
	got, err := io.ReadAll(theirs)
	if err != nil && strings.Contains(err.Error(), "too much non-data") {
		return // net/http charges the size lines too
	}
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("data %q, net/http: %q, %v, for %q", data, got, err, raw)
	}
}

func FuzzResponse(f *testing.F) {
	for _, s := range corpus(f, "responses") {
		f.Add(s.raw, methodOf(s.name))
	}
	f.Fuzz(func(t *testing.T, raw []byte, method string) { checkResponse(t, raw, method) })
}

// checkResponse checks all that must hold for any bytes that a worker sends.
func checkResponse(t tester, raw []byte, method string) {
	t.Helper()
	responseInPieces(t, raw, method)
	var r Response
	n, err := r.Parse(raw, []byte(method), Limits{})
	if statusOf(t, err) != 0 {
		return
	}
	checkLines(t, raw[:n])
	ways := 0
	for _, way := range []bool{r.NoBody, r.Chunked, r.UntilClose, !r.NoBody && r.ContentLength >= 0} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		t.Fatalf("%d ways to find the end of the body: %s", ways, describeResponse(&r))
	}
	answeredMeansTheSame(t, &r, method)
	responseAgreesWithNetHTTP(t, &r, raw, method)
}

// answeredMeansTheSame writes the head for clients of both versions and reads
// it as they would.
func answeredMeansTheSame(t tester, r *Response, method string) {
	t.Helper()
	for minor := range 2 {
		out := Out{Date: []byte("now"), RequestID: []byte("id")}
		r.Frame(&out, minor, true)
		head := r.AppendResponse(nil, &out)
		var again Response
		n, err := again.Parse(head, []byte(method), Limits{HeaderBytes: len(head) + 1, Fields: MaxFields + 8})
		if err != nil || n != len(head) {
			t.Fatalf("written %q: %d, %v", head, n, err)
		}
		if again.Status != r.Status || string(again.Reason) != string(r.Reason) || again.NoBody != r.NoBody {
			t.Fatalf("read %s\nwritten %s", describeResponse(r), describeResponse(&again))
		}
		if minor == 0 && again.Chunked {
			t.Fatalf("chunked for an HTTP/1.0 client: %q", head)
		}
		if !r.NoBody && again.ContentLength != r.ContentLength {
			t.Fatalf("length %d, written %q", r.ContentLength, head)
		}
		if again.UntilClose != (!r.NoBody && r.ContentLength < 0 && minor == 0) || again.UntilClose && !out.Close {
			t.Fatalf("the end of the body is lost: %q", head)
		}
		for _, f := range again.Fields {
			switch f.kind {
			case kindUpgrade:
				if again.Status != 426 {
					t.Fatalf("written with Upgrade: %q", head)
				}
			case kindHop, kindTrailer, kindWorker, kindWorkerBusy:
				t.Fatalf("written with %s: %q", f.Name, head)
			}
		}
	}
}

// responseAgreesWithNetHTTP checks that net/http accepts what is accepted here,
// and frames it alike. The exceptions are named below.
func responseAgreesWithNetHTTP(t tester, r *Response, raw []byte, method string) {
	t.Helper()
	if r.Switching {
		return // net/http reads on until the end of the connection
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		if strings.Contains(err.Error(), "bad trailer key") {
			return // as in requests
		}
		t.Fatalf("net/http: %v for %q", err, raw)
	}
	if res.StatusCode != r.Status || res.ProtoMinor != r.Minor {
		t.Fatalf("%s\nnet/http: %s %d", describeResponse(r), res.Proto, res.StatusCode)
	}
	body, err := io.ReadAll(res.Body)
	switch {
	case r.NoBody:
		if len(body) != 0 {
			t.Fatalf("no body, net/http: %q for %q", body, raw)
		}
	case r.Chunked:
		chunksAgree(t, raw[r.HeadLen:], io.MultiReader(bytes.NewReader(body), errReader{err}))
	case r.UntilClose:
		if res.ContentLength != -1 || len(body) != len(raw)-r.HeadLen {
			t.Fatalf("until the end, net/http: %d for %q", res.ContentLength, raw)
		}
	default:
		if res.ContentLength != r.ContentLength {
			t.Fatalf("length %d, net/http: %d for %q", r.ContentLength, res.ContentLength, raw)
		}
	}
}

// errReader ends with the error of what was read before, or with io.EOF.
type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}

func FuzzChunked(f *testing.F) {
	for _, s := range corpus(f, "chunked") {
		f.Add(s.raw, 3)
	}
	f.Fuzz(func(t *testing.T, raw []byte, piece int) {
		if piece < 1 || piece > len(raw) {
			piece = 1
		}
		checkChunked(t, raw, piece)
	})
}

// checkChunked checks all that must hold for any bytes of a body, in pieces of
// any size.
func checkChunked(t tester, raw []byte, piece int) {
	t.Helper()
	data, used, err := decodeAll(raw, max(1, len(raw)))
	var c Chunked
	data2, used2, err2 := decode(&c, raw, piece)
	if err != err2 || err == nil && (used != used2 || !bytes.Equal(data, data2)) {
		t.Fatalf("whole: %q, %d, %v; in pieces of %d: %q, %d, %v", data, used, err, piece, data2, used2, err2)
	}
	if statusOf(t, err) != 0 {
		return
	}
	// Encoded again, it says the same.
	wire := AppendLastChunk(AppendChunk(nil, data), c.Trailers())
	again, n, err := decodeAll(wire, piece)
	if err != nil || n != len(wire) || !bytes.Equal(again, data) {
		t.Fatalf("again: %q, %d, %v; want %q", again, n, err, data)
	}
	const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append([]byte(head), raw...))))
	if err != nil {
		t.Fatal(err)
	}
	chunksAgree(t, raw, req.Body)
}
