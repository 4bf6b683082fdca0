package proxy

import (
	"bytes"

	"ripd/internal/http1"
)

// acmePrefix is where certificate authorities look for a proof over plain HTTP (RFC
// 8555 section 8.3).
const acmePrefix = "/.well-known/acme-challenge/"

// acmeProtocol is what an authority negotiates that looks for a proof in a handshake,
// after which nothing follows (RFC 8737 section 3).
const acmeProtocol = "acme-tls/1"

// proof is the answer to an authority that looks for a proof that ripd gives. It is
// nil for all other requests: the app's own proofs are its business.
func (s *Server) proof(head *http1.Request) *http1.Reply {
	if s.proofs == nil || head.Host == nil || !bytes.HasPrefix(head.Path, []byte(acmePrefix)) || string(head.Method) != "GET" {
		return nil
	}
	body := s.proofs(string(head.Host), string(head.Path))
	if body == nil {
		return nil
	}
	return &http1.Reply{Status: 200, ContentType: "text/plain", Body: body}
}
