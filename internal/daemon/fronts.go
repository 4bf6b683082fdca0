package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"ripd/internal/certs"
	"ripd/internal/config"
	"ripd/internal/proxy"
)

// front is the listeners of one kind.
type front struct {
	name   string // http, https or metrics: systemd's name for them, and that of a hand-over
	secure bool   // clients speak TLS
	aside  bool   // they are not for the app's clients, but for the metrics
	list   []net.Listener
	own    bool // ripd has opened them
}

// newFronts gives the kinds that there are, without listeners.
func newFronts() []front {
	return []front{{name: roleClients}, {name: roleSecure, secure: true}, {name: roleMetrics, aside: true}}
}

// addresses are what the settings say, and whether somebody chose them.
func (f *front) addresses(c *config.Config) (list []config.Address, asked bool) {
	switch {
	case f.secure:
		return c.Listen.HTTPS, c.Listen.HTTPSAsked
	case f.aside:
		return c.Listen.Metrics, true
	}
	return c.Listen.HTTP, c.Listen.HTTPAsked
}

// listeners are those of all kinds.
func (a *app) listeners() (list []net.Listener) {
	for i := range a.fronts {
		list = append(list, a.fronts[i].list...)
	}
	return list
}

// openListeners opens the sockets of clients and metrics, or takes over systemd's.
func (a *app) openListeners() error {
	a.fronts = newFronts()
	if a.heir != nil {
		if err := a.inheritListeners(); err != nil {
			return err
		}
	} else {
		for i := range a.fronts {
			if err := a.openFront(&a.fronts[i]); err != nil {
				return err
			}
		}
		if !slices.ContainsFunc(a.fronts, func(f front) bool { return !f.aside && len(f.list) > 0 }) {
			return errors.New("there is no socket to serve: systemd gave none with the name http or https, and listen.http is empty")
		}
		a.notes = append(append([]string(nil), a.config.Notes()...), a.notes...)
	}
	a.urls = urlsOf(a.fronts)
	return a.openCertificates()
}

func (a *app) openFront(f *front) (err error) {
	if f.list = a.handed.Take(f.name); len(f.list) > 0 {
		return nil
	}
	addresses, asked := f.addresses(a.config)
	var notes []string
	f.list, notes, err = openListeners(f.name, addresses, asked)
	f.own = len(f.list) > 0
	a.notes = append(a.notes, notes...)
	if f.aside && err != nil {
		err = fmt.Errorf("listen.metrics: %w", err)
	}
	if errors.Is(err, os.ErrPermission) && (f.secure || f.aside) && !a.config.Foreground {
		err = fmt.Errorf("%w; systemd opens it after: systemctl daemon-reload && systemctl start ripd-%s@%s.socket", err, f.name, a.config.Name)
	}
	return err
}

// openCertificates reads the certificates, if there is an https listener.
func (a *app) openCertificates() error {
	p, err := a.readPapers(a.config)
	if errors.Is(err, certs.ErrNone) && len(a.config.Listen.HTTPS) == 0 {
		// A socket that is still open, or was enabled by hand: no reason not to serve.
		a.log.Warn("a socket from systemd is not used", "name", roleSecure, "problem", "listen.https is empty, and there is no certificate")
		a.fronts = slices.DeleteFunc(a.fronts, func(f front) bool {
			if f.secure {
				closeAll(f.list)
			}
			return f.secure
		})
		a.urls = urlsOf(a.fronts)
		return nil
	}
	if p == nil || err != nil {
		return err
	}
	return a.openPapers(p)
}

// loadCertificates reads what the settings name, what systemd has handed over, or, in
// the foreground, a self-signed certificate. Without an https listener it gives none.
func (a *app) loadCertificates(c *config.Config) (*certs.Set, error) {
	secure := slices.IndexFunc(a.fronts, func(f front) bool { return f.secure && len(f.list) > 0 })
	if secure < 0 {
		return nil, nil
	}
	pairs, err := certs.Find(&c.TLS, a.getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		return nil, err
	}
	if len(pairs) == 0 && len(c.TLS.ACME) > 0 {
		return certs.None(), nil
	}
	if len(pairs) == 0 && c.Foreground {
		p, trust, err := certs.SelfSigned(a.stateDir())
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
		if a.certs == nil { // at the start
			a.notes = append(a.notes, "https: a self-signed certificate for localhost, which nobody trusts yet: curl --cacert "+trust+", or see docs/tls.md")
		}
	}
	return certs.Load(pairs)
}

// followCertificates takes renewed files over until ripd ends.
func (a *app) followCertificates() {
	if a.certs == nil {
		return
	}
	a.tasks.Go(a.followACME)
	a.tasks.Go(func() {
		t := time.NewTicker(certs.WatchEvery)
		defer t.Stop()
		a.certs.Watch(a.quit, t.C, a.log)
	})
}

// accept starts to accept clients, and those who ask for metrics.
func (a *app) accept() {
	for i := range a.fronts {
		f := &a.fronts[i]
		for _, l := range f.list {
			if err := deferAccept(l); err != nil && !f.aside {
				a.log.Warn("silent connections are not kept back in the kernel", "socket", l.Addr().String(), "error", err)
			}
			a.tasks.Go(func() {
				var err error
				switch {
				case f.secure:
					err = a.server.ServeTLS(l, a.certs.Config())
				case f.aside:
					err = a.scrapes.Serve(l)
				default:
					err = a.server.Serve(l)
				}
				if err != nil && !errors.Is(err, proxy.ErrClosed) {
					a.fail(fmt.Errorf("accept on %s: %w", l.Addr(), err))
				}
			})
		}
	}
}

// quiesce keeps new connections away from the listeners that ripd has opened.
func (a *app) quiesce() {
	var own []net.Listener
	for i := range a.fronts {
		if a.fronts[i].own && !a.fronts[i].aside {
			own = append(own, a.fronts[i].list...)
		}
	}
	if len(own) > 0 {
		quiesce(own)
	}
}
