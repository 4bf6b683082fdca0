package config

import "strings"

// finishListeners checks that the listeners do not exclude each other.
func (l *loader) finishListeners() {
	c := l.cfg
	asked := func(key string) bool {
		_, set := l.places[key]
		return set && !l.portless[key]
	}
	c.Listen.HTTPAsked, c.Listen.HTTPSAsked = asked("listen.http"), asked("listen.https")
	if len(c.Listen.HTTP)+len(c.Listen.HTTPS) == 0 && c.Foreground && !l.failed("listen.http", "listen.https") {
		l.failKey("listen.http", faultf("there is nothing to listen on").hinted(`write http = ["%d"]`, DefaultPort))
	}
	l.checkAnnounced()
	var others []Address
	for _, a := range c.Listen.HTTP {
		l.checkListener("listen.http", a, others)
		others = append(others, a)
		l.noteListener("http", a, c.Listen.HTTPAsked)
	}
	for _, a := range c.Listen.HTTPS {
		l.checkListener("listen.https", a, others)
		others = append(others, a)
		l.noteListener("https", a, c.Listen.HTTPSAsked)
	}
	for _, a := range c.Listen.Metrics {
		l.checkListener("listen.metrics", a, others)
		others = append(others, a)
		l.noteListener("metrics", a, true)
	}
}

// checkAnnounced refuses to wait for headers that nobody may send.
func (l *loader) checkAnnounced() {
	if l.cfg.Listen.ProxyProtocol && !l.cfg.Proxy.Trusted.Any() && !l.failed("proxy.trusted", "listen.proxy_protocol") {
		l.failKey("listen.proxy_protocol", faultf("nobody is trusted to send a PROXY header").hinted(`name the load balancer, as in trusted = ["10.0.0.0/8"] below [proxy]`))
	}
}

// checkListener compares an address with those before it.
func (l *loader) checkListener(key string, a Address, others []Address) {
	for _, b := range others {
		switch {
		case !a.overlaps(b):
		case a == b:
			l.failKey(key, faultf("%s is there twice", a).hinted("take one out"))
		default:
			l.failKey(key, faultf("%s and %s cannot both be listened on", b, a).hinted("take one out: %s takes all interfaces", widest(a, b)))
		}
	}
}

// noteListener says what a port alone means: it is open to other machines.
func (l *loader) noteListener(scheme string, a Address, asked bool) {
	switch {
	case !l.cfg.Foreground || !a.AllInterfaces():
	case a.Port == 0:
		l.note("%s: a free port, open on all interfaces; 127.0.0.1:0 is this machine only", scheme)
	case asked:
		l.note("%s: port %d is open on all interfaces; 127.0.0.1:%d is this machine only", scheme, a.Port, a.Port)
	default:
		l.note("%s: port %d, open on all interfaces, or the next free one if it is busy", scheme, a.Port)
	}
}

func widest(a, b Address) Address {
	if a.AllInterfaces() {
		return a
	}
	return b
}

// finishTLS checks what the settings for TLS mean together. Whether the files are
// there and fit is seen when they are read: who checks the settings may not be who
// may read keys.
func (l *loader) finishTLS() {
	t := &l.cfg.TLS
	certificates, keys := len(t.Certificate), len(t.Key)
	switch {
	case certificates == keys || l.failed("tls.certificate", "tls.key"):
	case certificates == 0:
		l.failKey("tls.key", faultf("there is a key without its certificate").hinted("set tls.certificate, too"))
	case keys == 0:
		l.failKey("tls.certificate", faultf("there is a certificate without its key").hinted("set tls.key, too"))
	default:
		l.failKey("tls.key", faultf("there are %d keys for %d certificates", keys, certificates).hinted("write one key for each certificate, in the same order"))
	}
	if t.RedirectHTTP && len(l.cfg.Listen.HTTPS) == 0 && !l.cfg.Proxy.Trusted.Any() && !l.failed("listen.https", "proxy.trusted") {
		l.failKey("tls.redirect_http", faultf("there is no https listener to redirect to").hinted(`write https = ["443"] below [listen], or name the proxy that speaks TLS in proxy.trusted`))
	}
	l.finishACME()
	switch h := t.HSTS; {
	case h == "":
	case !strings.Contains(strings.ToLower(h), "max-age="):
		l.failKey("tls.hsts", faultf("%s has no max-age", quote(shorten(h))).hinted(`as in hsts = "max-age=31536000"`))
	case strings.ContainsFunc(h, func(r rune) bool { return r < ' ' || r > '~' }):
		l.failKey("tls.hsts", faultf("%s has characters that a field cannot have", quote(shorten(h))).hinted(`as in hsts = "max-age=31536000; includeSubDomains"`))
	case len(h) > MaxHSTSBytes:
		l.failKey("tls.hsts", faultf("has %d bytes; %d is the most", len(h), MaxHSTSBytes))
	}
}

// noteOfCertificate says where a service will look for the certificate that the settings do
// not name; "" when they need none.
func (c *Config) noteOfCertificate() string {
	if len(c.Listen.HTTPS) == 0 || len(c.TLS.Certificate) > 0 || len(c.TLS.ACME) > 0 || c.Foreground {
		return ""
	}
	return "https: the file names no certificate, so the service's credentials tls.certificate and tls.key have to be there"
}
