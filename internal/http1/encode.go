package http1

import "strconv"

// LastChunk ends a chunked body that has no trailers.
const LastChunk = "0\r\n\r\n"

// AppendChunk appends data as one chunk. For empty data it appends nothing,
// because an empty chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHead(dst, int64(len(data)))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendChunkHead appends the line before the data of a chunk of size bytes,
// more than 0. CRLF must follow the data.
func AppendChunkHead(dst []byte, size int64) []byte {
	dst = strconv.AppendInt(dst, size, 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the end of a chunked body, with the trailers that
// Chunked.Trailers returned.
func AppendLastChunk(dst []byte, trailers []Field) []byte {
	dst = append(dst, "0\r\n"...)
	for i := range trailers {
		dst = appendField(dst, &trailers[i])
	}
	return append(dst, "\r\n"...)
}
