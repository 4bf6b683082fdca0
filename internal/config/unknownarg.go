package config

import (
	"regexp"
	"strings"
)

// wordSynonyms are names that people try for words.
var wordSynonyms = map[string]string{
	"worker": "w", "workers": "w", "processes": "w", "instances": "w", "count": "w",
	"concurrency": "c", "threads": "c", "requests": "r", "max_requests": "r", "restart": "r",
	"port": "http", "p": "http", "listen": "http", "bind": "http", "ssl": "https", "tls": "https",
}

// wordForms are the ways to miss the colon: w=4 and w4.
var wordForms = regexp.MustCompile(`^([A-Za-z][A-Za-z_-]*?)[=:]?(auto|[0-9][0-9.:a-f\[\]]*)?$`)

// likelyWord guesses the word that was meant, with its value; "" without a guess.
func likelyWord(text string) string {
	m := wordForms.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	s := settingOfWord(strings.ToLower(m[1]))
	if s == nil {
		s = settingOfWord(wordSynonyms[fold(m[1])])
	}
	if s == nil && len(m[1]) > 2 {
		s = settingOfWord(nearest(m[1], []string{"http", "https"}))
	}
	if s == nil {
		return ""
	}
	value := m[2]
	if s.parseFaulty(value) {
		return sampleWord(s)
	}
	return s.word + ":" + value
}

// parseFaulty tells whether a text is no good value.
func (s *setting) parseFaulty(text string) bool {
	_, f := s.parse(raw{form: formWord, text: text}, "/")
	return f != nil
}

// unknownWord is the fault of a word that is neither a setting nor the app.
func unknownWord(text string) *fault {
	f := faultf("there is no such word")
	if near := likelyWord(text); near != "" {
		return f.hinted("did you mean %s?", near)
	}
	if near := nearest("--"+text, flagNames()); near != "" {
		return f.hinted("did you mean %s?", near)
	}
	return f.hinted("words are w:N, c:N, r:N, http, http:PORT, https and https:PORT")
}

// unknownFlag is the fault of a flag that is not known.
func unknownFlag(a argument) *fault {
	bare := strings.TrimLeft(a.name, "-")
	if a.text == "--" {
		return faultf("there is no such flag").hinted("a program and its arguments go into %s: command = [\"puma\", \"-b\", \"unix://$SOCKET_PATH\"]", FileName)
	}
	f := faultf("there is no such flag")
	if near := nearest("--"+bare, flagNames()); near != "" {
		return f.hinted("did you mean %s?", near)
	}
	if near := likelyWord(bare + ":" + a.value); near != "" {
		return f.hinted("did you mean %s?", near)
	}
	if key := likelyKey("", bare); key != "" {
		s := settingOf(key)
		return f.hinted("did you mean %s?", s.elsewhere())
	}
	return f.hinted("ripd --help lists the flags")
}

// elsewhere tells how a setting can be given on the command line, else in the
// environment, else in the file.
func (s *setting) elsewhere() string {
	switch {
	case s.word != "":
		return sampleWord(s)
	case len(s.flags) > 0:
		return sampleFlag(s, &s.flags[0])
	case s.variable() != "":
		return sampleVariable(s) + " in the environment, or " + s.key + " in the file"
	}
	return s.key + " in the file"
}

func flagNames() []string {
	var names []string
	for i := range settings {
		for _, f := range settings[i].flags {
			names = append(names, f.name)
		}
	}
	for _, f := range ownFlags {
		names = append(names, f.name)
	}
	return names
}
