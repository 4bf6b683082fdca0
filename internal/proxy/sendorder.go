package proxy

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"ripd/internal/config"
	"ripd/internal/http1"
	"ripd/internal/static"
)

// This file holds what happens when a worker answers with the name of a file, instead of
// a body. Its lease ends with that, and a goroutine sends the file.

// openPrivate opens the folders from which workers may have files sent.
func (f *Files) openPrivate(s *config.Static) (err error) {
	if len(s.Sendfile) == 0 && len(s.Accel) == 0 {
		return nil
	}
	if f.private, err = static.OpenPrivate(s.Sendfile, s.Accel); err != nil {
		return err
	}
	f.named = len(s.Sendfile) > 0
	pairs := slices.Sorted(maps.Keys(s.Accel))
	for i, path := range pairs {
		pairs[i] = s.Accel[path] + "/=" + path
	}
	f.mapping = strings.Join(pairs, ",")
	return nil
}

// tell has the worker know how it may name a file. Rack::Sendfile and its like read
// these fields, which is why clients' own never pass.
func (f *Files) tell(to *http1.Forward) {
	to.AccelMapping = f.mapping
	if f.named {
		to.SendfileType = "X-Sendfile"
	} else {
		to.SendfileType = "X-Accel-Redirect"
	}
}

// order is a worker's word that a file is its answer.
type order struct {
	field  string // x-sendfile or x-accel-redirect: how the file is named
	file   []byte
	status int
	kept   http.Header  // of the worker's fields, those that go before what ripd knows of the file
	fields []orderField // and those that go beside
	worker int
}

type orderField struct{ name, value []byte }

// modTime is when the file has changed last, as the worker says or as it is.
func (o *order) modTime(is time.Time) time.Time {
	said := o.kept["Last-Modified"]
	if said == nil {
		return is
	}
	at, err := http.ParseTime(said[0])
	if err != nil {
		return time.Time{} // said all the same, and not compared
	}
	return at
}

// ordered notes the order of an answer whose head has come. It reports false where that
// is an answer as any other: it cannot have a body, or a proxy in front has to obey.
func (l *lease) ordered() bool {
	a, r := &l.answer, l.req
	if s := a.head.Status; s == 204 || s == 304 || l.frontSends() {
		return false
	}
	o := &order{status: a.head.Status, kept: http.Header{}, worker: l.spec.ID}
	for _, o.field = range []string{"x-sendfile", "x-accel-redirect"} {
		if o.file = bytes.Clone(a.head.Get(o.field)); o.file != nil {
			break
		}
	}
	for name, value := range a.head.Kept() {
		switch key := http.CanonicalHeaderKey(string(name)); {
		case key == "Accept-Ranges", key == "Content-Range": // of the body that is not sent
		case !slices.Contains(fileFields, key):
			o.fields = append(o.fields, orderField{bytes.Clone(name), bytes.Clone(value)})
		case o.kept[key] != nil:
			o.kept[key][0] += ", " + string(value)
		default:
			o.kept[key] = []string{string(value)}
		}
	}
	a.order, a.out = o, http1.Out{}
	r.answer.status = a.head.Status
	a.begin()
	return true
}

// frontSends reports whether sending files that workers name is left to a trusted proxy
// in front: ripd's settings name no folder.
func (l *lease) frontSends() bool {
	files := l.srv.files.Load()
	return (files == nil || files.private == nil) && l.req.from.told != nil
}

// spare does not wait for the rest of a body that nobody gets, as some frameworks
// announce one, the file's length, and send none. The connection ends with it.
func (a *answer) spare() {
	a.stage, a.head.KeepAlive = stageComplete, false
}

// sendOrdered answers with the file that a worker has named. The lease is over.
func (r *request) sendOrdered(o *order) {
	s := r.srv
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		f, err := s.openOrdered(o)
		if err != nil {
			r.withoutOrdered(o, err)
			return
		}
		a := &fileAnswer{r: r, file: f, header: http.Header{}, request: r.conditions(), cause: causeSendfile, worker: o, own: true}
		a.describe()
		maps.Copy(a.header, o.kept)
		s.metrics.File(o.field)
		a.send()
	}()
}

// errNoFolders: the settings name no folder from which files may be sent so.
var errNoFolders = errors.New("no folder is set")

func (s *Server) openOrdered(o *order) (*static.File, error) {
	files := s.files.Load()
	switch {
	case files == nil || files.private == nil:
		return nil, errNoFolders
	case o.field == "x-sendfile":
		return files.private.Absolute(o.file)
	}
	return files.private.Mapped(o.file)
}

// withoutOrdered answers where the named file is not sent. Its name is for the log alone.
func (r *request) withoutOrdered(o *order, err error) {
	s := r.srv
	switch {
	case err == static.ErrNone:
		r.respond(&http1.Reply{Status: 404, Detail: "there is no such file"}, causeFileMissing)
	case starved(err):
		s.makeDescriptors(err)
		r.refuse(503, causeDescriptors)
	default:
		setting := "static.sendfile"
		if o.field != "x-sendfile" {
			setting = "static.accel"
		}
		s.warn(noticeRefused, "a worker has named a file that is not to be sent: it was answered 502", "worker", o.worker, "request", r.Describe(),
			"request_id", string(r.id[:]), "field", o.field, "file", string(o.file), "setting", setting, "error", err)
		r.refuse(502, causeFileRefused)
	}
}
