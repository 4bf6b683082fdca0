package http1

import (
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	label := strings.Repeat("a", 63)
	tests := []struct {
		host string
		want bool
	}{
		{"example.com", true},
		{"EXAMPLE.com.", true},
		{"a_b-c~d.example:8080", true},
		{"xn--bcher-kva.example", true},
		{"127.0.0.1", true},
		{"127.0.0.1:0", true},
		{"localhost:65535", true},
		{"localhost:", true}, // RFC 3986 section 3.2.3
		{"[::1]", true},
		{"[::1]:80", true},
		{"[2001:db8::1.2.3.4]:", true},
		{strings.Join([]string{label, label, label, label[:61]}, ".") + ":65535", true},

		{"", false},
		{":80", false},
		{"a:65536", false},
		{"a:+80", false},
		{"a:000080", false},
		{"a:80:80", false},
		{"a:b", false},
		{"a b", false},
		{"a,b", false},
		{"a@b", false},
		{"a/b", false},
		{"a\\b", false},
		{"a?b", false},
		{"a%41", false},
		{"a;b", false},
		{"a'b", false},
		{"a<b", false},
		{"\xc3\xa4.example", false},
		{"[]", false},
		{"[::1", false},
		{"::1", false},
		{"[::1]80", false},
		{"[::1%25lo]", false},
		{"[::1%lo]", false},
		{"[127.0.0.1]", false},
		{"[v1.a]", false},
		{"[g::1]", false},
		{strings.Join([]string{label, label, label, label}, ".") + ":6553", false},
	}
	for _, tt := range tests {
		if got := validHost([]byte(tt.host), false); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.host, got, tt.want)
		}
	}
}
