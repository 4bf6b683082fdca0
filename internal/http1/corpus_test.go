package http1

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// seed is one raw message of testdata.
type seed struct {
	name   string
	raw    []byte
	status int // 0: it is accepted; else the status of the fault
}

// corpus reads a folder of testdata. A file's name begins with "ok-", or with
// the status of its fault.
func corpus(t testing.TB, folder string) []seed {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s (%v)", folder, err)
	}
	var seeds []seed
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		verdict, _, _ := strings.Cut(name, "-")
		s := seed{name: name, raw: raw}
		if verdict != "ok" {
			if s.status, err = strconv.Atoi(verdict); err != nil {
				t.Fatalf("%s: the name does not begin with ok or a status", file)
			}
		}
		seeds = append(seeds, s)
	}
	return seeds
}

func TestCorpusOfRequests(t *testing.T) {
	for _, s := range corpus(t, "requests") {
		t.Run(s.name, func(t *testing.T) {
			var r Request
			n, err := r.Parse(s.raw, Limits{})
			if err == nil && r.Chunked {
				_, _, err = decodeAll(s.raw[n:], len(s.raw))
			}
			if got := statusOf(t, err); got != s.status {
				t.Errorf("status %d (%v), want %d", got, err, s.status)
			}
		})
	}
}

// The answers of the corpus are answers to GET, or to the method that the
// file's name has behind its verdict in capitals.
func TestCorpusOfResponses(t *testing.T) {
	for _, s := range corpus(t, "responses") {
		t.Run(s.name, func(t *testing.T) {
			var r Response
			n, err := r.Parse(s.raw, []byte(methodOf(s.name)), Limits{})
			if err == nil && r.Chunked {
				if _, _, err = decodeAll(s.raw[n:], len(s.raw)); err != nil {
					err = ofWorker(err)
				}
			}
			if got := statusOf(t, err); got != s.status {
				t.Errorf("status %d (%v), want %d", got, err, s.status)
			}
		})
	}
}

func TestCorpusOfChunked(t *testing.T) {
	for _, s := range corpus(t, "chunked") {
		t.Run(s.name, func(t *testing.T) {
			_, _, err := decodeAll(s.raw, len(s.raw))
			if got := statusOf(t, err); got != s.status {
				t.Errorf("status %d (%v), want %d", got, err, s.status)
			}
		})
	}
}

func methodOf(name string) string {
	for _, word := range strings.Split(name, "-") {
		if word == "HEAD" || word == "CONNECT" {
			return word
		}
	}
	return "GET"
}

// describe writes down all that a request means, to compare two of them.
func describe(r *Request) string {
	return fmt.Sprintf("%s %s host=%q/%v path=%q query=%q/%v 1.%d length=%d chunked=%v keep=%v expect=%v upgrade=%v trailers=%v head=%d fields=%s",
		r.Method, r.Target, r.Host, r.Host == nil, r.Path, r.Query, r.Query == nil, r.Minor, r.ContentLength, r.Chunked,
		r.KeepAlive, r.ExpectContinue, r.Upgrade, r.Trailers, r.HeadLen, listFields(r.Fields))
}

// describeResponse does so for a response.
func describeResponse(r *Response) string {
	return fmt.Sprintf("1.%d %d %q length=%d chunked=%v close=%v nobody=%v keep=%v busy=%v switching=%v head=%d fields=%s",
		r.Minor, r.Status, r.Reason, r.ContentLength, r.Chunked, r.UntilClose, r.NoBody, r.KeepAlive, r.Busy, r.Switching,
		r.HeadLen, listFields(r.Fields))
}

func listFields(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "[%s|%q|%d]", f.Name, f.Value, f.kind)
	}
	return b.String()
}
