package config

import (
	"strings"

	"ripd/internal/spelling"
)

// synonyms are names that people know from elsewhere.
var synonyms = map[string]string{
	"port": "listen.http", "bind": "listen.http", "address": "listen.http",
	"threads": "workers.concurrency", "workers": "workers.count", "processes": "workers.count", "instances": "workers.count",
	"cwd": "workdir", "directory": "workdir", "chdir": "workdir", "cmd": "command", "exec": "command", "start": "command",
	"environment": "env", "backlog": "queue.size", "max_body_size": "limits.body", "client_max_body_size": "limits.body",
	"hot_reload": "reload.mode", "access_log": "log.access", "json_logging": "log.access", "format": "log.access",
	"verbosity": "log.level", "verbose": "log.level",
}

// unknownKey is the fault of a key of the file that is in no row.
func unknownKey(full string) *fault {
	section, leaf := "", full
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		section, leaf = full[:i], full[i+1:]
	}
	where := ""
	if section != "" {
		where = " in [" + section + "]"
	}
	f := faultf("there is no key %s%s", quote(shorten(leaf)), where)
	if key := likelyKey(section, leaf); key != "" {
		s := settingOf(key)
		if s.section() == section {
			return f.hinted("did you mean %s?", quote(s.leaf()))
		}
		return f.hinted("did you mean %s?%s", key, inSection(s))
	}
	keys := keysOf(section)
	switch {
	case section == "":
		return f.hinted("above all [tables] there are %s", listed(keys))
	case len(keys) > 0:
		return f.hinted("[%s] has %s", section, listed(keys))
	}
	return f
}

func inSection(s *setting) string {
	if s.section() == "" {
		return " It stands at the top, above all [tables]"
	}
	return " It stands in [" + s.section() + "]"
}

// likelyKey guesses the key that was meant: a like one in the same section, the
// same one in another section, a flag's name, a synonym, a like one anywhere.
func likelyKey(section, leaf string) string {
	prefix := ""
	if section != "" {
		prefix = section + "."
	}
	if near := nearest(leaf, keysOf(section)); near != "" {
		return prefix + near
	}
	for i := range settings {
		if s := &settings[i]; s.leaf() == fold(leaf) {
			return s.key
		}
	}
	for i := range settings {
		for _, fl := range settings[i].flags {
			if fold(strings.TrimPrefix(fl.name, "--")) == fold(leaf) {
				return settings[i].key
			}
		}
	}
	if key, ok := synonyms[fold(leaf)]; ok {
		return key
	}
	var keys []string
	for i := range settings {
		keys = append(keys, settings[i].key)
	}
	if near := nearest(prefix+leaf, keys); near != "" {
		return near
	}
	for i := range settings {
		if spelling.Distance(settings[i].leaf(), fold(leaf)) <= 1 && len(leaf) > 3 {
			return settings[i].key
		}
	}
	return ""
}

// keysOf gives the last parts of a section's keys.
func keysOf(section string) []string {
	var keys []string
	for i := range settings {
		if settings[i].section() == section {
			keys = append(keys, settings[i].leaf())
		}
	}
	return keys
}

// unknownSection is the fault of a table that is not known.
func unknownSection(full string) *fault {
	f := faultf("there is no table [%s]", shorten(full))
	if s := settingOf(full); s != nil {
		return f.hinted("write %s = %s", s.leaf(), s.good())
	}
	if near := nearest(full, tables()); near != "" {
		return f.hinted("did you mean [%s]?", near)
	}
	if near := nearest(full+"s", sections()); near != "" {
		return f.hinted("did you mean [%s]?", near)
	}
	return f.hinted("there are %s", listed(tables()))
}

// listed joins names as in: a, b and c.
func listed(names []string) string {
	return strings.Replace(alternatives(names), " or ", " and ", 1)
}
