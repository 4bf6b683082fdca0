package api

import (
	"runtime/debug"
	"strings"
)

// Development is the version of a program that was built from a working tree.
const Development = "devel"

// BuildVersion gives the version of the running program: linked (what the
// linker put into main's version variable), else the version of the module as the
// go command recorded it, else Development, with the commit when that is known.
func BuildVersion(linked string) string {
	if v := strings.TrimPrefix(linked, "v"); v != "" {
		return v
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Development
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	v := strings.TrimPrefix(info.Main.Version, "v")
	// "0.0.0-2026…" is what the go command makes up where no release was tagged.
	if v != "" && v != "(devel)" && !strings.HasPrefix(v, "0.0.0-") {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return Development + "-" + s.Value[:12]
		}
	}
	return Development
}

// Compatible says whether programs of these two versions understand each other:
// the first number is the same and, while it is 0, the second one too.
// Development builds, unknown versions and those that say nothing go with all.
func Compatible(a, b string) bool {
	la, oka := line(a)
	lb, okb := line(b)
	return !oka || !okb || la == lb
}

// line gives the part of a version that must be equal: "1" of 1.4.2, "0.3" of 0.3.7.
func line(version string) (string, bool) {
	v := strings.TrimPrefix(version, "v")
	if v == "" || v[0] < '0' || v[0] > '9' {
		return "", false
	}
	major, rest, _ := strings.Cut(v, ".")
	if major != "0" {
		return major, true
	}
	minor, _, _ := strings.Cut(rest, ".")
	return "0." + minor, true
}
