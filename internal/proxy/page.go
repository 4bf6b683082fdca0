package proxy

import (
	"bytes"
	"strings"

	"ripd/internal/http1"
)

// PageRequestID is replaced by the request's id wherever a page's body has it.
const PageRequestID = "{request-id}"

// Page is an answer of ripd's own.
type Page struct {
	// Status is the answer's, 200 to 599.
	Status int
	// ContentType of Body; empty means text/plain in UTF-8.
	ContentType string
	// Body is complete, but for PageRequestID.
	Body []byte
	// JSON is the body for clients that ask for JSON and not for HTML (Accept, RFC
	// 9110 section 12.5.1). Nil gives them Body, too.
	JSON []byte
}

// respondPage answers with the page, in the form that the client asked for. The
// caller holds the request, as for respond.
func (r *request) respondPage(p *Page, cause string) {
	body, contentType := p.Body, p.ContentType
	if p.JSON != nil && r.prefersJSON() {
		body, contentType = p.JSON, "application/json"
	}
	body = bytes.ReplaceAll(body, []byte(PageRequestID), r.id[:])
	r.respond(&http1.Reply{Status: p.Status, ContentType: contentType, Body: body}, cause)
}

// prefersJSON looks at the Accept field of the request.
func (r *request) prefersJSON() bool {
	accept := strings.ToLower(r.field("Accept"))
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}
