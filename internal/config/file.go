package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document is a TOML text that is being read.
type document struct {
	path string // "" for the built-in defaults
	dir  string // where relative paths start
	data []byte
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("this is a folder, not a file")
	case !info.Mode().IsRegular():
		return nil, errors.New("this is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %s", FormatSize(limit))
	}
	return data, err
}

// place is where the offset is: line, and column in characters.
func (d *document) place(offset int, sample string) place {
	if d.path == "" {
		return place{}
	}
	offset = max(0, min(offset, len(d.data)))
	start := bytes.LastIndexByte(d.data[:offset], '\n') + 1
	return place{
		file:   d.path,
		line:   bytes.Count(d.data[:offset], []byte("\n")) + 1,
		column: utf8.RuneCount(d.data[start:offset]) + 1,
		sample: sample,
	}
}

// readFile applies a TOML file. It goes over the syntax tree itself, so that
// each fault is found and has its place.
func (l *loader) readFile(d *document) {
	d.data = bytes.TrimPrefix(d.data, []byte("\xef\xbb\xbf"))
	var whole map[string]any // the decoder finds what the tree does not show: duplicates, impossible dates
	syntax := toml.Unmarshal(d.data, &whole)
	w := &walker{l: l, d: d}
	w.parser.Reset(d.data)
	for w.parser.NextExpression() {
		w.expression(w.parser.Expression())
	}
	if syntax != nil {
		l.failSyntax(d, syntax)
	}
	w.finish()
}

// failSyntax reports what the decoder found. What is derived from the settings
// is not looked at then, because some of them may not have been read.
func (l *loader) failSyntax(d *document, err error) {
	l.broken = true
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		l.fail(d.place(0, ""), "", faultf("%v", err))
		return
	}
	line, column := decode.Position()
	for _, e := range l.errs {
		if e.File == d.path && e.Line == line {
			return // the walker has said it better
		}
	}
	p := place{file: d.path, line: line, column: column}
	text := ""
	if lines := bytes.Split(d.data, []byte("\n")); line > 0 && line <= len(lines) {
		p.column = utf8.RuneCount(lines[line-1][:min(column-1, len(lines[line-1]))]) + 1
		text = string(lines[line-1])
	}
	f := faultf("%s", strings.TrimPrefix(decode.Error(), "toml: "))
	if m := unquoted.FindStringSubmatch(text); m != nil && strings.Trim(m[2], "0123456789_") != "" && !strings.Contains(f.problem, "defined") {
		f = faultf("%s is not a value", shorten(m[2])).hinted("strings are quoted: %s = %s", m[1], quote(shorten(m[2])))
	}
	l.fail(p, "", f)
}

// unquoted is a line whose value is a string without its quotes.
var unquoted = regexp.MustCompile(`^\s*([A-Za-z_.-]+)\s*=\s*([A-Za-z0-9/~.*:@][^"'\s#\[\]{}]*)\s*(?:#.*)?$`)

// walker goes over the expressions of one document.
type walker struct {
	l       *loader
	d       *document
	parser  unstable.Parser
	section string          // the table in force
	skip    bool            // the table in force is unknown: its keys were not looked at
	free    map[string]*raw // what was found for the free tables
}

func (w *walker) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		path, at := w.key(n)
		w.enter(path, at, n.Kind == unstable.ArrayTable)
	case unstable.KeyValue:
		if !w.skip {
			w.pair(n, w.section)
		}
	}
}

// key gives a key's parts and where it begins.
func (w *walker) key(n *unstable.Node) (path []name, at int) {
	for it := n.Key(); it.Next(); {
		k := it.Node()
		path = append(path, name{string(k.Data), int(k.Raw.Offset)})
	}
	return path, path[0].offset
}

// enter begins a table.
func (w *walker) enter(path []name, at int, array bool) {
	full := joined(path)
	w.section, w.skip = full, true
	switch {
	case !slices.Contains(tables(), full) && w.l.full():
		w.l.more++
	case !slices.Contains(tables(), full):
		w.l.fail(w.d.place(at, ""), "", unknownSection(full))
	case array:
		w.l.fail(w.d.place(at, ""), full, faultf("[[%s]] is a list of tables, wanted one table", full).hinted("write [%s]", full))
	default:
		w.skip = false
	}
	if slices.Contains(freeTables, full) && !w.skip {
		w.begin(full, at)
	}
}

// pair reads key = value inside a section.
func (w *walker) pair(n *unstable.Node, section string) {
	path, at := w.key(n)
	if section != "" {
		path = append([]name{{section, at}}, path...)
	}
	full, last := joined(path), path[len(path)-1].offset
	value := n.Value()
	switch {
	case slices.Contains(freeTables, path[0].text) && len(path) == 2:
		t := w.begin(path[0].text, at)
		t.names, t.list = append(t.names, path[1]), append(t.list, w.raw(value, w.valueOffset(n)))
	case slices.Contains(freeTables, full) && value.Kind == unstable.InlineTable:
		w.begin(full, at)
		for it := value.Children(); it.Next(); {
			w.pair(it.Node(), full)
		}
	case section == "" && slices.Contains(sections(), full) && value.Kind == unstable.InlineTable:
		for it := value.Children(); it.Next(); {
			w.pair(it.Node(), full)
		}
	case settingOf(full) != nil:
		w.apply(settingOf(full), w.raw(value, w.valueOffset(n)))
	case w.l.full(): // looking for likely keys and for the line takes time
		w.l.more++
	default:
		w.l.fail(w.d.place(last, ""), "", w.unknown(full, value))
	}
}

func (w *walker) unknown(full string, value *unstable.Node) *fault {
	if slices.Contains(sections(), full) {
		return faultf("%s is a table, not a value", full).hinted("write [%s] and its keys below", full)
	}
	return unknownKey(full)
}

// begin gives what was found for a free table so far.
func (w *walker) begin(table string, at int) *raw {
	if w.free[table] == nil {
		if w.free == nil {
			w.free = map[string]*raw{}
		}
		w.free[table] = &raw{form: formTable, offset: at}
	}
	return w.free[table]
}

// finish applies the free tables, which may have been written in several places.
func (w *walker) finish() {
	for _, table := range freeTables {
		if r := w.free[table]; r != nil {
			w.apply(settingOf(table), *r)
		}
	}
}

func (w *walker) apply(s *setting, r raw) {
	p := w.d.place(r.offset, s.leaf()+" = "+s.good())
	p.at = func(offset int) place { return w.d.place(offset, p.sample) }
	w.l.set(s, r, p, w.d.dir)
}

// valueOffset finds where a value begins: the tree tells it for simple values only.
func (w *walker) valueOffset(n *unstable.Node) int {
	end := 0
	for it := n.Key(); it.Next(); {
		end = int(it.Node().Raw.Offset + it.Node().Raw.Length)
	}
	rest := w.d.data[end:]
	return end + len(rest) - len(bytes.TrimLeft(rest, " \t="))
}

var forms = map[unstable.Kind]form{
	unstable.String: formString, unstable.Integer: formInteger, unstable.Float: formFloat, unstable.Bool: formBool,
	unstable.Array: formList, unstable.InlineTable: formTable,
}

// raw copies a value out of the tree, whose memory is used again. Values inside
// of values of a list are left out: no setting has such.
func (w *walker) raw(n *unstable.Node, offset int) raw {
	r := raw{form: formDate, text: string(n.Data), offset: offset}
	if f, ok := forms[n.Kind]; ok {
		r.form = f
	}
	if n.Kind != unstable.Array {
		return r
	}
	for it := n.Children(); it.Next(); {
		child := it.Node()
		e := raw{form: formDate, text: string(child.Data), offset: int(child.Raw.Offset)}
		if f, ok := forms[child.Kind]; ok {
			e.form = f
		}
		if child.Kind == unstable.Array {
			e.offset = offset
		}
		r.list = append(r.list, e)
	}
	return r
}

func joined(path []name) string {
	texts := make([]string, len(path))
	for i, n := range path {
		texts[i] = n.text
	}
	return strings.Join(texts, ".")
}
