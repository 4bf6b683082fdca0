package control

import (
	"encoding/json"
	"net/http"

	"ripd/internal/api"
)

// maxTextBytes bounds the texts of a registration. PATH_MAX is 4096, limits.h.
const maxTextBytes = 4096

// worker is the workers' call: to register and to deregister. Whether the caller
// is the worker that it says it is, the Registrar decides.
func (s *Server) worker(w http.ResponseWriter, q *http.Request) {
	o, f := readObject(q)
	if f == nil {
		f = s.enroll(q, o)
	}
	s.answer(w, q, f)
}

func (s *Server) enroll(q *http.Request, o object) *failure {
	var op string
	if raw, ok := o["op"]; ok {
		if err := json.Unmarshal(raw, &op); err != nil {
			return wrongType("op", err)
		}
	}
	peer := peerFrom(q.Context())
	switch op {
	case api.OpRegister:
		var r api.Register
		if f := o.into(&r); f != nil {
			return f
		}
		if f := checkRegister(r); f != nil {
			return f
		}
		peer.Token = token(q, r.Token)
		return failed(s.o.Registrar.Register(peer, r))
	case api.OpDeregister:
		var d api.Deregister
		if f := o.into(&d); f != nil {
			return f
		}
		if d.WorkerID < 0 || d.PID < 0 {
			return usage("workerId and pid count from 1")
		}
		peer.Token = token(q, d.Token)
		return failed(s.o.Registrar.Deregister(peer, d))
	case "":
		return usage(`"op" is missing: register or deregister`)
	}
	f := usage("there is no op %.32q", op)
	if near := api.Nearest(op, []string{api.OpRegister, api.OpDeregister}); near != "" {
		f.err = f.err.WithHint("did you mean %q?", near)
	}
	return f
}

// failed gives the answer for an error, nil for none.
func failed(err error) *failure {
	if err == nil {
		return nil
	}
	return failureOf(err)
}

// checkRegister keeps a registration within bounds.
func checkRegister(r api.Register) *failure {
	switch {
	case r.WorkerID < 0 || r.PID < 0:
		return usage("workerId and pid count from 1")
	case len(r.App) > maxTextBytes || len(r.Socket) > maxTextBytes || len(r.Version) > maxTextBytes || len(r.Token) > maxTextBytes:
		return usage("a text of the registration is longer than %d bytes", maxTextBytes)
	case len(r.Files) > api.MaxFiles:
		return usage("%d files are more than the %d that ripd can watch", len(r.Files), api.MaxFiles)
	}
	for _, name := range r.Files {
		if len(name) > maxTextBytes {
			return usage("the name of a file is longer than %d bytes", maxTextBytes)
		}
		if name == "" || name[0] != '/' {
			return usage("%.64q in files is not an absolute path", name)
		}
	}
	return nil
}

// token gives what the caller presented: the header's before the body's.
func token(q *http.Request, inBody string) string {
	if t := q.Header.Get(api.HeaderToken); t != "" {
		return t
	}
	return inBody
}
