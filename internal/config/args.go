package config

import (
	"slices"
	"strings"
)

// Action is what a command line asks ripd to do.
type Action string

// The actions. ActionRun is the default.
const (
	ActionRun     Action = "run"
	ActionCheck   Action = "check"
	ActionVersion Action = "version"
	ActionHelp    Action = "help"
	// ActionNew writes an app; the words after the first are the command's own.
	ActionNew Action = "new"
)

// newWord, as the first word, asks to write an app. A folder of this name is ./new.
const newWord = "new"

// ownFlags are the flags that set no setting.
var ownFlags = []flag{
	{name: "--config", arg: "FILE", help: "the file to read"},
	{name: "--instance", arg: "NAME", help: "run under systemd, as the app NAME"},
	{name: "--check", help: "read the settings, say what they mean, and exit"},
	{name: "--version", help: "say the version and exit"},
	{name: "--help", help: "show this text and exit (also -h)"},
}

// flagOf finds a flag and its setting; the setting is nil for ripd's own flags.
func flagOf(name string) (*setting, *flag) {
	if name == "-h" {
		name = "--help"
	}
	for i := range ownFlags {
		if ownFlags[i].name == name {
			return nil, &ownFlags[i]
		}
	}
	return settingOfFlag(name)
}

// argument is one flag with its value, or one word.
type argument struct {
	text    string // as it was given
	name    string // of a flag, with its dashes; "" for a word
	value   string
	hasSign bool // --name=value
	missing bool // the value was forgotten
}

// argumentsOf takes a command line apart: --flag value is one argument.
func argumentsOf(args []string) []argument {
	var all []argument
	for i := 0; i < len(args); i++ {
		a := argument{text: args[i]}
		if len(a.text) > 1 && a.text[0] == '-' {
			a.name, a.value, a.hasSign = strings.Cut(a.text, "=")
			_, f := flagOf(a.name)
			switch {
			case a.hasSign:
			case i+1 < len(args) && takesNext(f, args[i+1]):
				i++
				a.value = args[i]
				a.text += " " + a.value
			default:
				a.missing = f != nil && f.arg != ""
			}
		}
		all = append(all, a)
	}
	return all
}

// takesNext tells whether the next argument is a flag's value. A number is that
// of an unknown flag, so that -w 4 is one fault and not two.
func takesNext(f *flag, next string) bool {
	if f == nil {
		return next != "" && strings.Trim(next, "0123456789") == ""
	}
	return f.arg != "" && !strings.HasPrefix(next, "--")
}

// ParseAction tells what the arguments (without the program's name) ask for:
// --help, the word new, --version or --check, in this order of importance, else to
// run. It reports no errors; Load does.
func ParseAction(args []string) Action {
	arguments := argumentsOf(args)
	asked := func(action Action) bool {
		return slices.ContainsFunc(arguments, func(a argument) bool {
			_, f := flagOf(a.name)
			return f != nil && f.name == "--"+string(action)
		})
	}
	switch {
	case asked(ActionHelp):
		return ActionHelp
	case len(args) > 0 && args[0] == newWord:
		return ActionNew
	case asked(ActionVersion):
		return ActionVersion
	case asked(ActionCheck):
		return ActionCheck
	}
	return ActionRun
}

// commandLine is what the arguments say.
type commandLine struct {
	instance string
	config   string
	targets  []string // words that are no settings: at most one of them can be the app
	values   []assignment
}

// assignment is one setting with its value from the command line.
type assignment struct {
	s     *setting
	r     raw
	p     place
	asked bool // of an address: the port was said
	flag  string
}

// parseArgs reads words and flags; the values are applied later, by readWords.
func (l *loader) parseArgs(args []string) commandLine {
	var line commandLine
	for _, a := range argumentsOf(args) {
		switch {
		case a.name != "":
			l.parseFlag(&line, a)
		case strings.IndexByte(a.text, 0) >= 0:
			l.fail(place{origin: quote(shorten(a.text))}, "", faultf("holds a NUL byte"))
		default:
			l.parseWord(&line, a.text)
		}
	}
	return line
}

func (l *loader) parseFlag(line *commandLine, a argument) {
	s, f := flagOf(a.name)
	at := place{origin: shorten(a.text)}
	switch {
	case f == nil:
		l.fail(place{origin: shorten(a.text)}, "", unknownFlag(a))
		return
	case a.missing:
		l.fail(at, "", faultf("the value is missing").hinted("as in %s", sampleFlag(s, f)))
		return
	case f.arg == "" && a.hasSign:
		l.fail(at, "", faultf("%s takes no value", f.name).hinted("write %s", f.name))
		return
	}
	if s == nil {
		l.parseOwnFlag(line, f, a)
		return
	}
	value := a.value
	if f.arg == "" {
		value = f.sets
	}
	if f.unit != "" && strings.Trim(value, "0123456789") != "" {
		l.fail(at, s.key, faultf("found %s, wanted a number of milliseconds", quote(shorten(value))).hinted("as in %s", sampleFlag(s, f)))
		return
	}
	at.sample = sampleFlag(s, f)
	line.values = append(line.values, assignment{
		s: s, r: raw{form: formWord, text: value + f.unit, offset: -1}, p: at, flag: f.name,
	})
}

func (l *loader) parseOwnFlag(line *commandLine, f *flag, a argument) {
	into := map[string]*string{"--config": &line.config, "--instance": &line.instance}[f.name]
	if into == nil {
		return
	}
	if a.value == "" {
		l.fail(place{origin: f.name}, "", faultf("the value is empty").hinted("as in %s", sampleFlag(nil, f)))
		return
	}
	*into = a.value
}

// parseWord reads w:4, http, or what may be the app.
func (l *loader) parseWord(line *commandLine, text string) {
	word, value, colon := strings.Cut(text, ":")
	s := settingOfWord(word)
	switch {
	case s == nil || !colon && s.kind != kindAddresses:
		line.targets = append(line.targets, text)
		return
	case s.kind != kindAddresses:
		r := raw{form: formWord, text: value, offset: -1}
		line.values = append(line.values, assignment{s: s, r: r, p: place{origin: shorten(text), sample: sampleWord(s)}})
		return
	}
	if !colon {
		value = defaultPorts[word]
	}
	for i := range line.values { // http:8080 http:8081: both
		if v := &line.values[i]; v.s == s {
			v.r.text += "," + value
			v.p.origin += " " + shorten(text)
			v.asked = v.asked || colon
			return
		}
	}
	r := raw{form: formWord, text: value, offset: -1}
	line.values = append(line.values, assignment{s: s, r: r, asked: colon, p: place{origin: shorten(text), sample: sampleWord(s)}})
}

// defaultPorts are the ports of the words http and https without a port.
var defaultPorts = map[string]string{"http": "3080", "https": "3443"}

// readWords applies what parseArgs found. When a setting is there several times,
// the last one wins.
func (l *loader) readWords(line *commandLine) {
	quiet := false
	for _, v := range line.values {
		if quiet && v.flag == "--json-logging" {
			l.cfg.Log.JSON = true
			continue
		}
		l.set(v.s, v.r, v.p, l.dir)
		switch {
		case v.s.kind == kindAddresses:
			l.portless[v.s.key] = !v.asked
		case v.flag == "--json-logging":
			l.cfg.Log.JSON = true
		case v.flag == "--no-access-log":
			quiet = true
		}
	}
}

// sampleWord shows how a setting is written as a word.
func sampleWord(s *setting) string {
	good := plain(s.good())
	if s.kind == kindAddresses {
		good = "8080"
	}
	return s.word + ":" + good
}

// sampleFlag shows how a flag is written.
func sampleFlag(s *setting, f *flag) string {
	switch {
	case f.arg == "":
		return f.name
	case f.name == "--config":
		return "--config=" + FileName
	case f.name == "--instance":
		return "--instance=shop"
	case f.unit != "":
		return f.name + "=5000"
	}
	return f.name + "=" + plain(s.good())
}
