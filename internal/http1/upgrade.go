package http1

import "bytes"

// This file holds the change to another protocol (RFC 9110 section 7.8).

// WebSocket is the protocol's name in Upgrade fields (RFC 6455 section 11.2).
const WebSocket = "websocket"

// AppendProtocols appends the protocols that the request's Upgrade fields name, as
// the value of one field. h2c is left out: it would take the requests that follow
// past ripd (RFC 9113 section 3.1 has done away with it).
func (r *Request) AppendProtocols(dst []byte) []byte {
	first := len(dst)
	for i := range r.Fields {
		if r.Fields[i].kind != kindUpgrade {
			continue
		}
		list, more := r.Fields[i].Value, true
		for more {
			var protocol []byte
			protocol, list, more = nextElement(list)
			if len(protocol) == 0 || foldedEqual(protocol, "h2c") {
				continue
			}
			if len(dst) > first {
				dst = append(dst, ", "...)
			}
			dst = append(dst, protocol...)
		}
	}
	return dst
}

// Accepts returns the protocol to which a 101 switches, of those in the list asked,
// which is from AppendProtocols. It is nil when the answer names none of them, or
// none at all: the worker is at fault then. Of several protocols (layers, in the
// order in which they are to be applied) the first one counts.
func (r *Response) Accepts(asked []byte) []byte {
	if r.Status != 101 || !r.conn.upgrade {
		return nil
	}
	protocol, _, _ := nextElement(r.upgrade())
	for more := len(protocol) > 0; more; {
		var one []byte
		if one, asked, more = nextElement(asked); bytes.EqualFold(one, protocol) {
			return protocol
		}
	}
	return nil
}

// upgrade is the value of the first Upgrade field; nil without one.
func (r *Response) upgrade() []byte {
	for i := range r.Fields {
		if r.Fields[i].kind == kindUpgrade {
			return r.Fields[i].Value
		}
	}
	return nil
}

// AppendSwitching appends the head of a 101 for the client, with the empty line: what
// follows it is the other protocol. Of o the date and the request's id count.
func (r *Response) AppendSwitching(dst []byte, o *Out) []byte {
	dst = append(appendStatusLine(dst, 101), r.Reason...)
	dst = append(dst, "\r\n"...)
	for i := range r.Fields {
		f := &r.Fields[i]
		if !dropFromResponse[f.kind] && !r.conn.removes(r.Fields, f) {
			dst = appendField(dst, f)
		}
	}
	dst = appendLine(dst, "Date: ", o.Date)
	dst = appendLine(dst, "X-Request-Id: ", o.RequestID)
	return append(appendUpgrade(dst, r.upgrade()), "\r\n"...)
}

// appendOffer appends what a 426 must say: to which protocols the client may switch
// (RFC 9110 section 15.5.22).
func (r *Response) appendOffer(dst []byte, minor int) []byte {
	if r.Status != 426 || minor == 0 {
		return dst
	}
	if protocols := r.upgrade(); protocols != nil && r.conn.upgrade {
		return appendUpgrade(dst, protocols)
	}
	return dst
}

// appendUpgrade appends the two fields that go together.
func appendUpgrade(dst, protocols []byte) []byte {
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
	dst = append(dst, protocols...)
	return append(dst, "\r\n"...)
}
