package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"ripd/internal/api"
)

// door is a kind of socket: who stands behind it, and what exists there.
type door uint8

const (
	doorOperators door = iota // only operators can open it
	doorWorkers               // for the app's processes
	doorBoth                  // one socket for both, in the foreground
)

// route is one call of the control socket.
type route struct {
	method   string
	path     string
	operator bool // for operators; the others are for workers
	any      bool // for callers of every version
	serve    func(*Server, http.ResponseWriter, *http.Request)
}

// routes are all calls. docs/control-api.md has a section for each.
func routes() []route {
	return []route{
		{http.MethodGet, api.PathStatus, true, false, (*Server).status},
		{http.MethodGet, api.PathWorkers, true, false, (*Server).workers},
		{http.MethodGet, api.PathConfig, true, false, (*Server).config},
		{http.MethodGet, api.PathEvents, true, false, (*Server).events},
		{http.MethodGet, api.PathMetrics, true, false, (*Server).metrics},
		{http.MethodPost, api.PathRestart, true, false, (*Server).restart},
		{http.MethodPost, api.PathReload, true, false, (*Server).reload},
		{http.MethodPost, api.PathScale, true, false, (*Server).scale},
		{http.MethodPost, api.PathStop, true, false, (*Server).stop},
		{http.MethodPost, api.PathUpgrade, true, true, (*Server).upgrade}, // a newer ripctl wants a newer ripd
		{http.MethodPost, api.PathDrain, true, false, (*Server).drain},
		{http.MethodPost, api.PathResume, true, false, (*Server).resume},
		{http.MethodPost, api.PathWorker, false, false, (*Server).worker},
	}
}

// on says whether the route exists at a door.
func (r route) on(d door) bool {
	return d == doorBoth || r.operator == (d == doorOperators)
}

// handler serves the calls of one kind of door. Its order is: does the call
// exist here, is it made with the right method, may the caller make it, do
// the versions fit, is the body within bounds.
func (s *Server) handler(d door) http.Handler {
	var here []route
	for _, r := range routes() {
		if r.on(d) {
			here = append(here, r)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		defer s.recover(w, q)
		w.Header().Set(api.HeaderVersion, s.o.Version)
		w.Header().Set("Cache-Control", "no-store")
		if turnedAway(q.Context()) {
			crowded(w)
			return
		}
		r, fail := find(here, d, q)
		if fail == nil {
			fail = s.admit(r, d, q)
		}
		if fail != nil {
			s.log.call(q, fail)
			if fail.allow != "" {
				w.Header().Set("Allow", fail.allow)
			}
			fail.write(w)
			return
		}
		q.Body = http.MaxBytesReader(w, q.Body, api.MaxRequestBytes)
		r.serve(s, w, q)
	})
}

// crowded answers a caller for whom there is no place. That it was refused is in the log already.
func crowded(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close")
	fail(http.StatusServiceUnavailable, api.Errorf(api.CodeBusy, "too many connections to the control socket").
		WithHint("try again in a moment")).write(w)
}

// find gives the route of a call, or why there is none.
func find(here []route, d door, q *http.Request) (route, *failure) {
	path := q.URL.Path
	var paths []string
	for _, r := range here {
		if r.path != path {
			paths = append(paths, r.path)
			continue
		}
		if r.method != q.Method {
			f := fail(http.StatusMethodNotAllowed, api.Errorf(api.CodeUsage, "%s takes %s, not %.16q", path, r.method, q.Method))
			f.allow = r.method
			return route{}, f
		}
		if q.URL.RawQuery != "" {
			return route{}, fail(http.StatusBadRequest, api.Errorf(api.CodeUsage, "%s takes no query: put the parameters into the JSON body", path))
		}
		return r, nil
	}
	err := api.Errorf(api.CodeNotFound, "there is no %.64q on the control socket", path)
	switch near := api.Nearest(path, paths); {
	case d == doorWorkers:
		err = err.WithHint("this socket is for workers, and has %s alone; operators have one of their own", api.PathWorker)
	case near != "":
		err = err.WithHint("did you mean %s?", near)
	default:
		err = err.WithHint("the calls are %s", strings.Join(paths, " "))
	}
	return route{}, fail(http.StatusNotFound, err)
}

// admit decides whether the caller may make the call.
func (s *Server) admit(r route, d door, q *http.Request) *failure {
	peer := peerFrom(q.Context())
	if r.operator && d == doorBoth && peer.UID != 0 && !slices.Contains(s.o.OperatorUIDs, peer.UID) {
		return fail(http.StatusForbidden, api.Errorf(api.CodeForbidden, "user id %d may not steer this app", peer.UID).
			WithHint("call as the user who started ripd, or as root"))
	}
	client := q.Header.Get(api.HeaderVersion)
	if r.operator && !r.any && r.method != http.MethodGet && !api.Compatible(client, s.o.Version) {
		return fail(http.StatusPreconditionFailed, api.Errorf(api.CodeVersion, "the caller is version %.32q, and this ripd is %s", client, s.o.Version).
			WithHint("use the ripctl that was installed with this ripd, or restart the app's ripd with the new version"))
	}
	if r.method == http.MethodGet && q.ContentLength != 0 {
		return fail(http.StatusBadRequest, api.Errorf(api.CodeUsage, "GET %s takes no body", r.path))
	}
	return nil
}

// failure is an answer that is not a result.
type failure struct {
	status int
	err    *api.Error
	allow  string // the header Allow of a 405
}

func fail(status int, err *api.Error) *failure { return &failure{status: status, err: err} }

// failureOf gives the answer for an error of an Operator or a Registrar.
func failureOf(err error) *failure {
	var e *api.Error
	if !errors.As(err, &e) {
		e = &api.Error{Code: api.CodeFailed, Message: err.Error()}
	}
	switch e.Code {
	case api.CodeUsage:
		return fail(http.StatusBadRequest, e)
	case api.CodeNotFound:
		return fail(http.StatusNotFound, e)
	case api.CodeForbidden:
		return fail(http.StatusForbidden, e)
	case api.CodeBusy:
		return fail(http.StatusConflict, e)
	case api.CodeVersion:
		return fail(http.StatusPreconditionFailed, e)
	}
	return fail(http.StatusInternalServerError, e)
}

func (f *failure) write(w http.ResponseWriter) {
	writeJSON(w, f.status, api.ErrorAnswer{Error: f.err})
}

// recover keeps a fault in one call from hurting the others, and tells of it.
func (s *Server) recover(w http.ResponseWriter, q *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v) // net/http's own way to cut a connection
	}
	s.o.Log.Error("control call panicked", "method", q.Method, "path", q.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	fail(http.StatusInternalServerError, api.Errorf(api.CodeFailed, "ripd has a fault in %s; its log has the details", q.URL.Path)).write(w)
}

// level is how loud a refusal is: what a caller may not do is for the operator's
// eye, what is merely wrong is not.
func (f *failure) level() slog.Level {
	if f.err.Code == api.CodeForbidden {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
