package config

import (
	"fmt"
	"slices"
	"strings"
)

// Compression says which answers of workers are compressed.
type Compression struct {
	// Codings are offered to clients, the preferred one first: of "gzip" and "zstd",
	// each once. Empty (the default) turns compression off.
	Codings []string
	// Level is 1 (fast) to 9 (small). Default 4.
	Level int
	// MinSize is the size of a body in bytes from which on it is compressed. Default 1 KB.
	MinSize int64
	// Types are media types in lower case, without parameters; one asterisk in each
	// stands for anything; "*/*" is all of them.
	Types []string
	// Streams is how many answers that come in pieces are compressed at a time; 0 is
	// none. Default 64.
	Streams int
}

// codings are the values of compression.codings.
var codings = []string{"zstd", "gzip"}

// defaultTypes are media types of which compression makes less. Images, films, sounds,
// archives and WOFF fonts are compressed already.
const defaultTypes = `["text/*", "application/json", "application/*+json", "application/x-ndjson", "application/javascript", "application/x-javascript", ` +
	`"application/xml", "application/*+xml", "application/wasm", "image/svg+xml", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon", ` +
	`"font/ttf", "font/otf", "application/vnd.ms-fontobject"]`

// compressionSettings are the rows of the table for [compression].
var compressionSettings = []setting{
	{
		key: "compression.codings", def: `[]`, kind: kindCodings, sample: `["zstd", "gzip"]`,
		field: func(c *Config) any { return &c.Compression.Codings },
		doc: "The codings in which workers' answers are compressed, `zstd` and `gzip`, the preferred one first; a client gets the one that it likes best, and of equal ones the first. " +
			"With an empty list nothing is compressed. See [Compression](compression.md), also for when not to use it.",
	},
	{
		key: "compression.level", def: `4`, kind: kindInt, min: 1, max: 9, sample: `6`,
		field: func(c *Config) any { return &c.Compression.Level },
		doc:   "How much work is done for less bytes: 1 is the fastest, 9 the smallest. For `gzip` these are its levels; for `zstd` 1 and 2, 3 to 6, and 7 to 9 are the same.",
	},
	{
		key: "compression.min_size", def: `"1KB"`, kind: kindSize, min: 1, max: MaxMinSize, zero: "any",
		field: func(c *Config) any { return &c.Compression.MinSize },
		doc:   "The size of a body from which on it is compressed: a smaller one fits into a packet anyway. A body whose size is not known when it begins is compressed.",
	},
	{
		key: "compression.types", def: defaultTypes, kind: kindTypes, sample: `["text/*", "application/json"]`,
		field: func(c *Config) any { return &c.Compression.Types },
		doc:   "The media types (`Content-Type` without parameters) that are compressed. One asterisk in each stands for anything. The list replaces the default.",
	},
	{
		key: "compression.streams", def: `64`, kind: kindInt, min: 1, max: MaxCompressedStreams, zero: "none", sample: `256`,
		field: func(c *Config) any { return &c.Compression.Streams },
		doc: "How many answers are compressed at a time while they come in pieces, such as event streams; one more passes as it is. " +
			"It bounds memory: each has an encoder, of 0.3 to 1.5 MB up to level 6, and up to 4.5 MB above. Answers that are there as a whole do not count: as many as two for each CPU are compressed at once, and the others wait.",
	},
}

// parseCodings reads compression.codings.
func parseCodings(r raw) ([]string, *fault) {
	list, f := parseList(r, commaList, "a list of codings", func(text string) (string, error) {
		if slices.Contains(codings, text) {
			return text, nil
		}
		if near := nearest(text, codings); near != "" {
			return "", hinted("did you mean "+quote(near)+"?", "not one of zstd and gzip")
		}
		return "", hinted(`write ["zstd", "gzip"]`, "not one of zstd and gzip")
	})
	for i, coding := range list {
		if slices.Contains(list[:i], coding) {
			return nil, faultf("%s is there twice", quote(coding)).hinted("take one out")
		}
	}
	return list, f
}

// parseTypes reads compression.types.
func parseTypes(r raw) ([]string, *fault) {
	return parseList(r, commaList, "a list of media types", func(text string) (string, error) {
		switch main, sub, ok := strings.Cut(text, "/"); {
		case strings.ContainsAny(text, "; \t"):
			return "", hinted("take out parameters and spaces: they are not looked at", "more than a media type")
		case text == "*":
			return "", hinted(`write "*/*" for all`, "not a media type")
		case !ok || main == "" || sub == "" || strings.Contains(sub, "/"):
			return "", hinted(`as "text/html", or "text/*"`, "not a media type")
		case strings.Count(text, "*") > 1 && text != "*/*":
			return "", fmt.Errorf("has more than one asterisk")
		}
		return strings.ToLower(text), nil
	})
}
