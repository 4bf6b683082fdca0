package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"ripd/internal/config"
	"ripd/internal/static"
)

// This file holds which requests are answered with a file, without a worker. How the
// file is sent is in filesend.go.

// Files are the files of the disk that ripd answers with.
type Files struct {
	site    *static.Site    // static.root; nil without
	private *static.Private // static.sendfile and static.accel; nil without
	mapping string          // X-Accel-Mapping, for workers
	named   bool            // there is static.sendfile
	pages   *errorPages     // proxy.error_pages; nil without
}

// OpenFiles opens the folders that the settings name.
func OpenFiles(c *config.Config) (*Files, error) {
	f := &Files{}
	if s := &c.Static; s.Root != "" {
		o := static.Options{
			Root: s.Root, Index: s.Index, Links: s.Links, Precompressed: s.Precompressed,
			CacheControl: s.CacheControl, Immutable: s.Immutable,
		}
		if m := c.Reload.Mode; m == config.ModeProcess || m == config.ModeModule { // somebody works on the files
			o.CacheControl, o.Immutable = "no-cache", nil
		}
		var err error
		if f.site, err = static.Open(o); err != nil {
			return nil, fmt.Errorf("static: %w", err)
		}
	}
	if err := f.openPrivate(&c.Static); err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	if dir := c.Proxy.ErrorPages; dir != "" {
		var err error
		if f.pages, err = loadErrorPages(dir); err != nil {
			return nil, fmt.Errorf("proxy.error_pages: %w", err)
		}
	}
	return f, nil
}

// UseFiles puts other folders in force, for the requests that follow.
func (s *Server) UseFiles(f *Files) { s.files.Store(f) }

// maxRanges bounds the parts of one answer (RFC 9110 section 14.2 asks for a bound). A
// request for more gets the whole file.
const maxRanges = 64

// answerFile answers a request whose path names a file. It reports false where there
// is none: the request is the app's.
func (s *Server) answerFile(r *request) bool {
	files := s.files.Load()
	if files == nil || files.site == nil || r.upgrade != nil || !(r.head || string(r.method()) == "GET") {
		return false
	}
	path, _, _ := bytes.Cut(r.target1(), []byte("?"))
	f, err := files.site.Find(path)
	if err != nil {
		return s.withoutFile(r, err)
	}
	if f.Negotiable() {
		f = f.Negotiate(r.field("Accept-Encoding"))
	}
	a := &fileAnswer{r: r, file: f, cause: causeStatic}
	if r.conditional() {
		a.header, a.request = http.Header{}, r.conditions()
		a.describe()
	}
	s.metrics.File(causeStatic)
	a.start()
	return true
}

// withoutFile meets what Find found instead of a file. It reports whether the request
// is answered.
func (s *Server) withoutFile(r *request, err error) bool {
	switch {
	case err == static.ErrNone:
	case starved(err):
		s.makeDescriptors(err)
		r.refuse(503, causeDescriptors)
		return true
	default:
		var link *static.LinkError
		if errors.As(err, &link) {
			s.warn(noticeLink, "a path leads to the app, not to a file: a symbolic link leads out of static.root; static.links may name its folder", "file", link.Path)
		} else {
			s.warn(noticeUnreadable, "a path leads to the app, not to a file: the file cannot be opened", "path", string(r.target1()), "error", err)
		}
	}
	return false
}

// conditional reports whether the request asks for less than all of a file, or under a
// condition. What it reports of others is conditions' matter.
func (r *request) conditional() bool {
	for name := range r.fields() {
		if len(name) >= len("Range") && (name[0]|0x20 == 'i' && name[1]|0x20 == 'f' && name[2] == '-' || len(name) == len("Range") && name[0]|0x20 == 'r') {
			return true
		}
	}
	return false
}

// conditions is what net/http has to know of a request for a file.
func (r *request) conditions() *http.Request {
	h := http.Header{}
	for name, value := range r.fields() {
		switch len(name) { // few fields are of interest
		case len("Range"), len("If-Match"), len("If-None-Match"), len("If-Modified-Since"), len("If-Unmodified-Since"):
			switch name := http.CanonicalHeaderKey(string(name)); name {
			case "If-Match", "If-None-Match": // lists
				if h[name] != nil {
					value = append(append([]byte(h[name][0]), ", "...), value...)
				}
				h[name] = []string{string(value)}
			case "Range", "If-Range", "If-Modified-Since", "If-Unmodified-Since":
				h[name] = append(h[name], string(value)) // the first one counts
			}
		}
	}
	method := string(r.method())
	if ranges := h["Range"]; ranges != nil {
		h["Range"] = heeded(method, ranges[0])
	}
	return &http.Request{Method: method, Header: h}
}

// heeded is the value of a Range field for net/http; nil where the field is to be ignored
// (RFC 9110 section 14.2): only GET has ranges, and only of bytes, however that is written.
func heeded(method, value string) []string {
	unit, ranges, _ := strings.Cut(value, "=")
	if method != "GET" || !strings.EqualFold(unit, "bytes") || strings.Count(ranges, ",") >= maxRanges {
		return nil
	}
	return []string{"bytes=" + ranges}
}
