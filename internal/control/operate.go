package control

import (
	"encoding/json"
	"net/http"
	"regexp"
	"time"

	"ripd/internal/api"
)

// The calls of operators whose answer is one value.

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.o.Operator.Status())
}

func (s *Server) workers(w http.ResponseWriter, _ *http.Request) {
	list := api.WorkerList{App: s.o.Operator.Status().App, Workers: s.o.Operator.Workers()}
	if list.Workers == nil {
		list.Workers = []api.Worker{} // an empty array, not null
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	c := s.o.Operator.Config()
	if c.Settings == nil {
		c.Settings = []api.Setting{}
	}
	writeJSON(w, http.StatusOK, c)
}

func (s *Server) metrics(w http.ResponseWriter, q *http.Request) {
	if s.o.Metrics == nil {
		fail(http.StatusNotFound, api.Errorf(api.CodeNotFound, "this ripd keeps no metrics")).write(w)
		return
	}
	s.o.Metrics.ServeHTTP(w, q)
}

func (s *Server) drain(w http.ResponseWriter, q *http.Request) {
	s.hold(w, q, true, func(r api.DrainRequest) error { return s.o.Operator.Drain(q.Context(), r.Worker, r.Page) })
}

func (s *Server) resume(w http.ResponseWriter, q *http.Request) {
	s.hold(w, q, false, func(r api.DrainRequest) error { return s.o.Operator.Resume(q.Context(), r.Worker) })
}

// hold drains or resumes one worker or all of them. "All" has to be said: a
// forgotten id must not drain the app.
func (s *Server) hold(w http.ResponseWriter, q *http.Request, page bool, do func(api.DrainRequest) error) {
	var r api.DrainRequest
	f := decode(q, &r)
	switch {
	case f != nil:
	case r.All && r.Worker != 0:
		f = usage("say workerId or all, not both")
	case r.Page && !(page && r.All):
		f = usage("\"page\": true is for a drain of all")
	case !r.All && r.Worker <= 0:
		f = usage("which worker? Say workerId, from 1, or \"all\": true")
	}
	if f == nil {
		if err := do(r); err != nil {
			f = failureOf(err)
		}
	}
	s.answer(w, q, f)
}

// scaleForm is what ScaleRequest.Workers looks like: at most four digits, so
// that it always fits into an int.
var scaleForm = regexp.MustCompile(`^([+-]?[0-9]{1,4}|auto)$`)

// checkScale refuses what no Operator could make sense of.
func checkScale(r api.ScaleRequest) *failure {
	if scaleForm.MatchString(r.Workers) {
		return nil
	}
	f := usage("%.32q is not a number of workers", r.Workers)
	f.err = f.err.WithHint(`"workers" is "4", "+1", "-1" or "auto"`)
	return f
}

// answer ends a call that has no result but its success.
func (s *Server) answer(w http.ResponseWriter, q *http.Request, f *failure) {
	if f != nil {
		s.log.call(q, f)
		f.write(w)
		return
	}
	writeJSON(w, http.StatusOK, api.OK{OK: true})
}

// writeJSON ends a call with one value. A caller that is gone by now is no error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only a number that is not finite can do that
		status = http.StatusInternalServerError
		b = []byte(`{"error":{"code":"failed","message":"the answer cannot be written as JSON"}}`)
	}
	// The call may have taken longer than the server's own deadline for answers.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", api.TypeJSON)
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}
