package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// giveUpPause is how long a name rests after certmagic has given up on it, which it
// does after some weeks, or when an authority refuses what its rehearsal took.
const giveUpPause = 6 * time.Hour

// endMost is how long the end of a tenure waits for what is under way. It is broken
// off, so this is the time of a few writes to a disk.
const endMost = 10 * time.Second

// noEmail is no address. An empty text would have certmagic look for one in the
// accounts of the storage, where it may find those that have none.
const noEmail = " "

// tenure is the time of one set of settings.
type tenure struct {
	manager  *Manager
	settings *Settings
	storage  *certmagic.FileStorage
	cache    *certmagic.Cache
	config   *certmagic.Config
	issuer   *certmagic.ACMEIssuer
	states   states

	ctx    context.Context // ends with the tenure
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// newTenure makes certmagic's parts, and loads what the storage has. Nothing is asked
// of an authority before begin.
func newTenure(m *Manager, s *Settings) *tenure {
	t := &tenure{manager: m, settings: s, storage: &certmagic.FileStorage{Path: s.folder}}
	t.ctx, t.cancel = context.WithCancel(noContext)
	logger := zap.New(m.bridge)
	t.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return t.config, nil },
		RenewCheckInterval: m.check, Logger: logger,
	})
	t.config = certmagic.New(t.cache, certmagic.Config{
		Storage: t.storage, Logger: logger, OnEvent: t.event,
		// As for certificates from files. Authorities tell of revocations by the time at
		// which a certificate is to be renewed.
		OCSP: certmagic.OCSPConfig{DisableStapling: true},
	})
	t.issuer = certmagic.NewACMEIssuer(t.config, certmagic.ACMEIssuer{
		CA: s.directory, Email: cmp.Or(s.email, noEmail), Agreed: true, TrustedRoots: s.roots, ExternalAccount: s.binding,
		DisableHTTPChallenge: !s.web, DisableTLSALPNChallenge: !s.tls, ListenHost: m.nowhere.host(), Logger: logger,
	})
	t.config.Issuers = []certmagic.Issuer{t.issuer}
	t.states.init(s.names)
	for _, name := range s.names {
		t.load(name)
	}
	return t
}

// load takes a certificate from the storage. It reports whether there was one.
func (t *tenure) load(name string) bool {
	_, err := t.config.CacheManagedCertificate(t.ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.manager.log.Warn("a certificate in the storage cannot be used: another one is asked for", "host", name, "error", err.Error())
	}
	return err == nil
}

// begin starts to ask for what is missing, and to renew what is due: at once, whatever
// has failed before. Later renewals are certmagic's.
func (t *tenure) begin() {
	for _, name := range t.settings.names {
		list := t.cache.AllMatchingCertificates(name)
		switch {
		case len(list) == 0:
			t.manager.log.Info("a certificate is asked for", "host", name, "authority", t.settings.directory)
			t.work.Go(func() { t.obtain(name) })
		case list[0].NeedsRenewal(t.config):
			t.work.Go(func() { t.renew(name, list[0].Hash()) })
		}
	}
}

// renew replaces a certificate in force, which serves until then.
func (t *tenure) renew(name, hash string) {
	if err := t.config.RenewCertAsync(t.ctx, name, false); err == nil && t.load(name) {
		t.cache.Remove([]string{hash})
	}
	// An error was told as an event, and the next look at the certificates is near.
}

// obtain gets a first certificate, however long that takes. certmagic tries again
// after a minute, and then more and more seldom.
func (t *tenure) obtain(name string) {
	for {
		err := t.config.ObtainCertAsync(t.ctx, name)
		if err == nil && t.load(name) {
			return
		}
		if t.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("what was obtained cannot be read again")
		}
		t.failed(name, fmt.Errorf("%w; the next attempt is in %s", err, giveUpPause))
		select {
		case <-t.ctx.Done():
			return
		case <-time.After(giveUpPause):
		}
	}
}

// end breaks off what is under way, and waits for it.
func (t *tenure) end() {
	t.cancel()
	t.cache.Stop()
	done := make(chan struct{})
	go func() {
		t.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(endMost):
		t.manager.log.Warn("an attempt to get a certificate does not end", "within_ms", endMost.Milliseconds())
	}
}

func (t *tenure) manages(name string) bool { return slices.Contains(t.settings.names, name) }

// certificate gives the certificate of a name.
func (t *tenure) certificate(name string, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list := t.cache.AllMatchingCertificates(name)
	for i := range list {
		if hello.SupportsCertificate(&list[i].Certificate) == nil || len(list) == 1 {
			return &list[i].Certificate, nil
		}
	}
	return nil, fmt.Errorf("there is no certificate for %s yet: %s", name, t.states.why(name))
}
