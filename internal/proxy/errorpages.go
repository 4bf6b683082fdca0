package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ripd/internal/http1"
)

// maintenanceRetry is when clients that get the maintenance page may come again.
const maintenanceRetry = time.Minute

// maxPageBytes bounds one page: an answer that is given thousands of times a second
// when things go wrong is to stay small.
const maxPageBytes = 64 << 10

// What a page's name may be, beside a status with three digits.
const (
	pageMaintenance = "maintenance"
	pageClient      = "4xx"
	pageServer      = "5xx"
	pageAny         = "error"
)

// What is replaced in pages, beside PageRequestID.
const (
	pageStatus = "{status}"
	pageReason = "{reason}"
)

// errorPages are the pages for ripd's own answers, as they were read.
type errorPages struct {
	html, json map[string]string // by name, without its ending
}

// loadErrorPages reads the pages of a folder. Files with other endings than .html and
// .json are none; one with such an ending whose name says nothing is an error.
func loadErrorPages(dir string) (*errorPages, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &errorPages{html: map[string]string{}, json: map[string]string{}}
	for _, e := range entries {
		ending := filepath.Ext(e.Name())
		pages := map[string]map[string]string{".html": p.html, ".json": p.json}[ending]
		if pages == nil {
			continue
		}
		name, path := strings.TrimSuffix(e.Name(), ending), filepath.Join(dir, e.Name())
		if !pageName(name) {
			return nil, fmt.Errorf("%s: the name of a page is a status (400 to 599), 4xx, 5xx, error or maintenance", path)
		}
		if pages[name], err = readPage(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return p, nil
}

// pageName reports whether ripd would ever look for a page with this name.
func pageName(name string) bool {
	switch name {
	case pageMaintenance, pageClient, pageServer, pageAny:
		return true
	}
	status, err := strconv.Atoi(name)
	return err == nil && len(name) == len("503") && status >= 400 && status < 600
}

func readPage(path string) (string, error) {
	info, err := os.Stat(path) // a pipe would make the start wait
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPageBytes+1))
	if err == nil && len(b) > maxPageBytes {
		err = fmt.Errorf("more than %d KB", maxPageBytes>>10)
	}
	return string(b), err
}

// find gives the page that fits best.
func find(pages map[string]string, status int, cause string) (text string, ok bool) {
	class := pageServer
	if status < 500 {
		class = pageClient
	}
	for _, name := range []string{pageMaintenance, strconv.Itoa(status), class, pageAny} {
		if name == pageMaintenance && cause != causeMaintenance {
			continue
		}
		if text, ok = pages[name]; ok {
			return text, true
		}
	}
	return "", false
}

// fill makes the page the body of an answer to an error, if there is one that fits.
func (p *errorPages) fill(r *request, reply *http1.Reply, cause string) {
	if reply.Status < 400 {
		return
	}
	reason := http1.StatusText(reply.Status)
	if r.prefersJSON() {
		reply.ContentType = "application/json"
		if text, ok := find(p.json, reply.Status, cause); ok {
			quoted, _ := json.Marshal(reason) // a string: it cannot fail
			reply.Body = r.place(text, reply.Status, string(quoted[1:len(quoted)-1]))
			return
		}
		reply.Body, _ = json.Marshal(map[string]any{ // strings and a number: as above
			"status": reply.Status, "reason": reason, "detail": reply.Detail, "requestId": string(r.id[:]),
		})
		reply.Body = append(reply.Body, '\n')
		return
	}
	if text, ok := find(p.html, reply.Status, cause); ok {
		reply.ContentType = "text/html; charset=utf-8"
		reply.Body = r.place(text, reply.Status, html.EscapeString(reason))
	}
}

// errorText is the body of an answer to an error whose head is made elsewhere: the page
// that fits, or one line.
func (r *request) errorText(status int, cause string) (text []byte, contentType string) {
	reply := http1.Reply{Status: status}
	if files := r.srv.files.Load(); files != nil && files.pages != nil {
		files.pages.fill(r, &reply, cause)
	}
	if reply.Body != nil {
		return reply.Body, reply.ContentType
	}
	return fmt.Appendf(nil, "%d %s\n", status, http1.StatusText(status)), "text/plain; charset=utf-8"
}

// place puts what is known of the answer into a page.
func (r *request) place(text string, status int, reason string) []byte {
	return []byte(strings.NewReplacer(PageRequestID, string(r.id[:]), pageStatus, strconv.Itoa(status), pageReason, reason).Replace(text))
}

// Maintain has all requests answered 503 with the maintenance page, those that wait
// too, or lets them go to workers again. The status page, and files, stay.
func (s *Server) Maintain(on bool) {
	s.maintained.Store(on)
	if on {
		s.answerQueue()
	}
}

// answerQueue answers what waits with the maintenance page.
func (s *Server) answerQueue() {
	for t := s.pool.Abandon(); t != nil; t = s.pool.Abandon() {
		t.Request.(*request).refuse(503, causeMaintenance)
	}
}

// Maintained reports whether requests are answered with the maintenance page.
func (s *Server) Maintained() bool { return s.maintained.Load() }
