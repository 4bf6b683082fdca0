package daemon

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"ripd/internal/acme"
	"ripd/internal/api"
	"ripd/internal/certs"
	"ripd/internal/config"
)

// papers are all certificates that settings ask for.
type papers struct {
	set  *certs.Set     // from files
	acme *acme.Settings // nil: none by ACME
}

// readPapers reads what the settings name. Without an https listener there is
// nothing to read.
func (a *app) readPapers(c *config.Config) (*papers, error) {
	set, err := a.loadCertificates(c)
	if set == nil || err != nil {
		return nil, err
	}
	p := &papers{set: set}
	p.acme, err = acme.Prepare(&c.TLS, filepath.Join(a.stateDir(), "acme"), credentialsOf(a.environ), a.ports())
	return p, err
}

// ports are those of the listeners, for the proofs that authorities look for.
func (a *app) ports() (p acme.Ports) {
	for i := range a.fronts {
		f := &a.fronts[i]
		for _, l := range f.list {
			port := 0
			if tcp, ok := l.Addr().(*net.TCPAddr); ok {
				port = tcp.Port
			}
			switch {
			case f.secure:
				p.HTTPS = append(p.HTTPS, port)
			case !f.aside:
				p.HTTP = append(p.HTTP, port)
			}
		}
	}
	return p
}

// openPapers puts the first certificates in force. Those that ACME has got before are
// among them; what is missing is asked for from now on.
func (a *app) openPapers(p *papers) (err error) {
	if a.acme, err = acme.New(acme.Options{Log: a.log, SocketDir: a.dir, Agent: "ripd/" + a.version}); err != nil {
		return err
	}
	a.acmeNext = make(chan *acme.Settings, 1)
	a.certs = certs.NewStore(p.set, a.acme)
	if text := p.set.Describe(); text != "" {
		a.log.Info("certificates", "certificates", text)
	}
	a.acme.Use(p.acme)
	return nil
}

// commitPapers puts the certificates of a reload in force. The supervisor's goroutine
// calls it, and does not wait for what the settings before have under way.
func (a *app) commitPapers(p *papers) {
	a.certs.Put(p.set)
	select {
	case <-a.acmeNext: // of a reload that this one is faster than
	default:
	}
	a.acmeNext <- p.acme
}

// followACME takes the settings of reloads over until ripd ends.
func (a *app) followACME() {
	for {
		select {
		case <-a.quit:
			return
		case s := <-a.acmeNext:
			a.acme.Use(s)
		}
	}
}

// closeACME ends the work on certificates. Those that there are go on serving.
func (a *app) closeACME() {
	if a.acme != nil {
		a.acme.Close()
	}
}

// proof answers an authority; see proxy.Options.
func (a *app) proof(host, path string) []byte {
	if a.acme == nil {
		return nil
	}
	return a.acme.Proof(host, path)
}

// certificates are all those in force, and the names that have none yet, for
// operators.
func (a *app) certificates() (list []api.Certificate) {
	if a.certs == nil {
		return nil
	}
	for _, leaf := range a.certs.Set().Leaves() {
		list = append(list, api.Certificate{Names: certs.NamesOf(leaf), Source: api.CertificateFile, Issuer: acme.IssuerOf(leaf), Ends: leaf.NotAfter})
	}
	for _, s := range a.acme.States() {
		list = append(list, api.Certificate{Names: []string{s.Name}, Source: api.CertificateACME, Issuer: s.Issuer, Ends: s.Ends, Problem: s.Problem, ProblemAt: s.Since})
	}
	return list
}

// awaited says for which names a certificate is awaited, for the line that systemd
// shows; "" when there are none.
func (a *app) awaited() string {
	names := a.acme.Awaited()
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "awaits a certificate for " + names[0]
	}
	return fmt.Sprintf("awaits certificates for %s and %d more", names[0], len(names)-1)
}

// stateDir is where ripd keeps what outlives it, in the foreground for all apps of the
// user (the XDG base directories; systemd.exec(5) for the first one, of which there
// may be several).
func (a *app) stateDir() string {
	if dir, _, _ := strings.Cut(a.getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if dir := a.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ripd")
	}
	if home := a.getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "ripd")
	}
	return a.dir
}
