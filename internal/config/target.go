package config

import (
	"os"
	"path/filepath"
	"strings"
)

// demoWord asks for the demo in the place of an app. A folder of this name is ./demo.
const demoWord = "demo"

// findTarget decides what is served and which file is in force. It is false when
// there is nothing to go on with.
func (l *loader) findTarget(line *commandLine) bool {
	target, p := l.target(line.targets), place{}
	if target != "" {
		p = place{origin: shorten(target)}
	} else if v := l.environment("RIP_APP"); v != "" {
		target, p = v, place{origin: "RIP_APP"}
	}
	switch {
	case target == demoWord && p.origin != "RIP_APP":
		l.cfg.Demo = true
		if line.config != "" {
			l.fail(place{origin: "--config"}, "", faultf("the demo has no file").hinted("leave out demo or --config"))
		}
		return true
	case line.config != "":
		l.cfg.File = l.absolute(line.config)
		if target != "" {
			l.setApp(target, p)
		}
		return true
	case target != "":
		l.locate(target, p)
		return true
	case line.instance != "":
		l.cfg.File = filepath.Join(SystemDir, line.instance+".toml")
		return true
	}
	f := faultf("nothing to serve was given").hinted("ripd FOLDER serves an app, ripd demo needs none, ripd --help says more")
	if isFile(filepath.Join(l.dir, FileName)) {
		f.hinted("ripd . serves this folder, which has a %s", FileName)
	}
	if len(l.errs) == 0 {
		l.fail(place{}, "", f)
	}
	return false
}

// target picks the app among the words that are no settings; the others are faults.
func (l *loader) target(words []string) string {
	app := -1
	for i, w := range words {
		if w == demoWord || l.exists(w) {
			app = i
			break
		}
	}
	if app < 0 && len(words) > 0 && (likelyWord(words[0]) == "" || strings.ContainsAny(words[0], "/.")) {
		app = 0
	}
	for i, w := range words {
		switch {
		case i == app:
		case app >= 0 && l.exists(w):
			l.fail(place{origin: shorten(w)}, "", faultf("one ripd serves one app, and %s was given too", shorten(words[app])).
				hinted("start another ripd for it"))
		default:
			l.fail(place{origin: shorten(w)}, "", unknownWord(w))
		}
	}
	if app < 0 {
		return ""
	}
	return words[app]
}

// locate takes a target for a file, a folder with a file, or the app itself.
func (l *loader) locate(target string, p place) {
	path := l.absolute(target)
	info, err := os.Stat(path)
	switch {
	case strings.HasSuffix(path, ".toml") && (err != nil || !info.IsDir()):
		l.cfg.File = path
	case err == nil && info.IsDir() && isFile(filepath.Join(path, FileName)):
		l.cfg.File = filepath.Join(path, FileName)
	default:
		l.setApp(target, p)
	}
}

// setApp makes the target the app, whatever the file says. It is called before
// the file is read, so it is kept until then.
func (l *loader) setApp(target string, p place) {
	l.override = func() { l.set(settingOf("app"), raw{form: formWord, text: target, offset: -1}, p, l.dir) }
}

func (l *loader) environment(name string) string {
	value := ""
	for _, e := range l.in.Environ {
		if n, v, ok := strings.Cut(e, "="); ok && n == name {
			value = v
		}
	}
	return value
}

func (l *loader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.dir, path)
}

func (l *loader) exists(path string) bool {
	_, err := os.Stat(l.absolute(path))
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// maxSiblings bounds how many names of a folder are looked at for a guess.
const maxSiblings = 1000

// nearestFile gives the path of the file or folder whose name is most like that
// of the path, "" when none is.
func nearestFile(path string) string {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxSiblings)
	near := nearest(filepath.Base(path), names)
	if near == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), near)
}
