// Package http1 is the HTTP/1.1 codec of the data path: it reads the heads of
// requests and responses, decodes and encodes the chunked coding, and writes
// the heads that ripd sends to workers and to clients.
//
// It works on byte slices. It does no I/O, reads no clock, starts nothing, and
// allocates nothing on the common path. What it returns are views into the
// buffer that was parsed: they are valid as long as the caller leaves that
// buffer alone.
//
// It is strict. Where RFC 9112 lets a recipient repair a message (a bare LF as
// the end of a line, a folded line, two equal lengths, both kinds of framing),
// ripd refuses it, because a peer that repairs it in another way would see
// other messages on the same connection. Three liberties remain, none of which
// touches framing: empty lines before a request (RFC 9112 section 2.2), a
// worker's status line without the space before an empty reason, and bytes
// above 0x7F in field values (obs-text, RFC 9110 section 5.5).
//
// A message is read in this order, one file each: request.go and target.go, or
// response.go; then fields.go, connection.go and framing.go, which both share;
// chunked.go and trailers.go for the body. forward.go, answer.go, encode.go and
// reply.go write.
package http1
