package cli

import (
	"strings"
	"time"

	"ripd/internal/api"
)

// endsSoon is how long before its end a certificate is shown in red: ripd's log warns
// then, too.
const endsSoon = 7 * 24 * time.Hour

// printCertificates prints what clients that speak TLS get, and what is awaited.
func (s *session) printCertificates(list []api.Certificate, now time.Time) {
	label := "tls"
	for _, c := range list {
		text, worry := certificateLine(c, now)
		for _, l := range s.filled(clean(text), labelWidth+2) {
			if worry {
				l = s.style.red(l)
			}
			s.field(label, l)
			label = ""
		}
		if c.Problem == "" {
			continue
		}
		problem := c.Problem
		if !c.ProblemAt.IsZero() {
			problem = "failed " + ago(c.ProblemAt, now) + ": " + problem
		}
		for _, l := range s.filled(clean(problem), labelWidth+4) {
			s.field("", "  "+l)
		}
	}
}

// certificateLine says of a certificate whose it is, who vouches for it, how it came
// and how long it holds, and whether that is reason to worry.
func certificateLine(c api.Certificate, now time.Time) (text string, worry bool) {
	text = strings.Join(c.Names, ", ")
	if c.Ends.IsZero() {
		return text + ": awaited from its authority", true
	}
	text += ": by " + c.Issuer
	if c.Source == api.CertificateACME {
		text += " (ACME)"
	}
	left := c.Ends.Sub(now)
	if left <= 0 {
		return text + ", ended " + ago(c.Ends, now), true
	}
	// Certificates by ACME may hold for less than a week, and are renewed in time.
	worry = c.Problem != "" || left < endsSoon && c.Source != api.CertificateACME
	return text + ", ends " + until(c.Ends, now) + c.Ends.UTC().Format(" (2006-01-02)"), worry
}
