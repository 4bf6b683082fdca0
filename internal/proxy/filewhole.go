package proxy

import (
	"io"
	"net/http"
	"sync"
	"time"
	"unsafe"

	"ripd/internal/http1"
)

// This file answers what nearly all requests for a file ask: all of it, without
// conditions and ranges. net/http would decide the same, for a third of the CPU time.

// fileHeads is the memory of heads.
var fileHeads = sync.Pool{New: func() any { return new(http1.Response) }}

// fileDate is room for Last-Modified.
type fileDate [len(http.TimeFormat)]byte

// whole sends all of the file.
func (a *fileAnswer) whole() {
	a.WriteHeader(http.StatusOK)
	if !a.r.head {
		_, _ = a.ReadFrom(&io.LimitedReader{R: a.file, N: a.file.Size}) // what is missing is seen at the end
	}
}

// addWhole adds the fields of an answer that net/http has not decided about.
func (a *fileAnswer) addWhole(res *http1.Response) {
	f := a.file
	for i, name := range fileFields {
		value := ""
		switch name {
		case "Content-Type":
			value = f.ContentType
		case "Content-Encoding":
			value = f.Encoding
		case "Accept-Ranges":
			value = "bytes"
		case "Etag":
			value = f.ETag
		case "Last-Modified":
			if f.ModTime.UnixNano() != 0 { // 0: a file system without times
				res.Add(fileFieldNames[i], f.ModTime.UTC().AppendFormat(a.date[:0], http.TimeFormat))
			}
		case "Cache-Control":
			value = f.CacheControl
		case "Vary":
			if f.Varies {
				value = "Accept-Encoding"
			}
		}
		if value != "" {
			res.Add(fileFieldNames[i], readOnly(value))
		}
	}
}

// addDecided adds those that net/http has.
func (a *fileAnswer) addDecided(res *http1.Response) {
	for i, name := range fileFields {
		if v := a.header[name]; v != nil && v[0] != "" {
			res.Add(fileFieldNames[i], readOnly(v[0]))
		}
	}
	if a.worker != nil {
		for _, f := range a.worker.fields {
			res.Add(f.name, f.value)
		}
	}
}

// readOnly is the text's own memory: a field's value is only read.
func readOnly(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// modTime is when the file has changed, as the answer says it.
func (a *fileAnswer) modTime() time.Time {
	if a.worker != nil {
		return a.worker.modTime(a.file.ModTime)
	}
	return a.file.ModTime
}
