package config

import (
	"strings"
	"testing"
)

func TestRelease(t *testing.T) {
	for _, test := range []struct {
		adapter, workers string
		streams          int
		fault            string
	}{
		{"node", "", 100, ""},
		{"asgi", "streams = 7", 7, ""},
		{"bun", "release = \"early\"\nstreams = 0", 0, ""},
		{"rack", "concurrency = 5", 0, ""},
		{"wsgi", "", 0, ""},
		{"node", "serial = true\nconcurrency = 2", 0, ""},
		{"rack", "release = \"early\"\nconcurrency = 5", 0, "has a thread until it ends"},
		{"wsgi", "release = \"early\"", 0, "has a thread until it ends"},
		{"node", "release = \"early\"\nserial = true\nconcurrency = 2", 0, "one after the other"},
	} {
		t.Run(test.adapter+" "+test.workers, func(t *testing.T) {
			file := fileFor(t, "adapter = \""+test.adapter+"\"\n[workers]\n"+test.workers+"\n")
			write(t, file, "../"+map[string]string{"node": "index.mjs", "bun": "index.mjs", "asgi": "asgi.py", "wsgi": "wsgi.py", "rack": "config.ru"}[test.adapter], "")
			c, err := load(t, Input{Args: []string{file}})
			switch {
			case test.fault != "":
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("got %v", err)
				}
			case err != nil:
				t.Error(err)
			case c.MostStreams() != test.streams:
				t.Errorf("%d streams", c.MostStreams())
			}
		})
	}
}
