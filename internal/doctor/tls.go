package doctor

import (
	"strings"
	"time"

	"ripd/internal/api"
)

const checkTLS = "tls"

// endsSoon is how long before its end a certificate from a file should have been
// renewed: ripd's log warns then, too.
const endsSoon = 7 * 24 * time.Hour

// certificates looks at what ripd says of its certificates.
func (e *exam) certificates() {
	if e.Status == nil || len(e.Status.Certificates) == 0 {
		return
	}
	for _, c := range e.Status.Certificates {
		e.certificate(c)
	}
	e.good(checkTLS, "%d in force", len(e.Status.Certificates))
}

func (e *exam) certificate(c api.Certificate) {
	const authority = "see that the name leads to this machine and that port 80 or 443 is reached from outside, then: ripctl reload "
	names, left := strings.Join(c.Names, ", "), time.Until(c.Ends)
	var words []string
	if c.Problem != "" {
		words = []string{c.Problem}
	}
	switch {
	case c.Ends.IsZero() && c.Problem == "":
		e.add(checkTLS, Warning, "wait a moment", "there is no certificate for %s yet: it is being asked for", names)
	case c.Ends.IsZero():
		e.add(checkTLS, Problem, authority+e.Name, "there is no certificate for %s yet", names).Words = words
	case left <= 0:
		e.add(checkTLS, Problem, "renew it, then: ripctl reload "+e.Name, "the certificate for %s has ended", names).Words = words
	case c.Problem != "":
		e.add(checkTLS, Warning, authority+e.Name, "the certificate for %s was not renewed; it ends at %s", names, c.Ends.UTC().Format("2006-01-02 15:04 MST")).Words = words
	case left < endsSoon && c.Source != api.CertificateACME: // which may hold for days only
		e.add(checkTLS, Warning, "renew it, then: ripctl reload "+e.Name, "the certificate for %s ends soon, at %s", names, c.Ends.UTC().Format("2006-01-02 15:04 MST"))
	}
}
