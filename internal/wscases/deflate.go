package wscases

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
)

// packer is permessage-deflate (RFC 7692) as agreed.
type packer struct {
	ownFresh, peerFresh bool // each message is compressed without what came before it

	writer *flate.Writer
	out    bytes.Buffer
	window []byte // of what the server sent last, decompressed
}

// windowSize is the largest window that the extension knows, and what is kept.
const windowSize = 32 << 10

// newPacker reads what the server has agreed to. It is nil for nothing.
func newPacker(agreed string) (*packer, error) {
	if strings.TrimSpace(agreed) == "" {
		return nil, nil
	}
	name, parameters, _ := strings.Cut(agreed, ";")
	if strings.TrimSpace(name) != "permessage-deflate" {
		return nil, fmt.Errorf("the server agrees to %q", agreed)
	}
	p := &packer{}
	for one := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(one), "=")
		switch key {
		case "client_no_context_takeover":
			p.ownFresh = true
		case "server_no_context_takeover":
			p.peerFresh = true
		case "server_max_window_bits", "": // any window can be read
		case "client_max_window_bits":
			if value != "15" {
				return nil, fmt.Errorf("the server asks for a window that was not offered: %q", agreed)
			}
		default:
			return nil, fmt.Errorf("the server agrees to %q", agreed)
		}
	}
	return p, nil
}

// tail ends each flushed block; it is not sent (RFC 7692 section 7.2.1).
const tail = "\x00\x00\xff\xff"

func (p *packer) pack(data []byte) []byte {
	if p.writer == nil || p.ownFresh {
		p.writer, _ = flate.NewWriter(&p.out, flate.DefaultCompression) // the level is one
	}
	p.out.Reset()
	_, _ = p.writer.Write(data) // into memory
	_ = p.writer.Flush()
	return bytes.Clone(bytes.TrimSuffix(p.out.Bytes(), []byte(tail)))
}

func (p *packer) unpack(data []byte) ([]byte, error) {
	// An empty last block, since the reader wants an end.
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(data), strings.NewReader(tail+"\x01\x00\x00\xff\xff")), p.window)
	out, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if !p.peerFresh {
		p.window = append(p.window, out...)
		p.window = bytes.Clone(p.window[max(0, len(p.window)-windowSize):])
	}
	return out, nil
}
