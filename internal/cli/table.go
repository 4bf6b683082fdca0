package cli

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// column is one column of a table. When the terminal is too narrow, columns
// with a least width shrink, then the columns of the highest rank are left out.
type column struct {
	title string
	right bool // numbers stand at the right
	rank  int  // 0: stays whatever the width
	least int  // it may shrink to this width; 0: it may not
}

// gap is between two columns.
const gap = "  "

// table is rows of cells, one for each column. A cell is clean text; paint
// colours it after it got its width.
type table struct {
	columns []column
	rows    [][]string
	paint   func(row, col int, text string) string // nil: nothing
}

// print prints the table within the console's width. It never breaks a line.
func (t *table) print(c *console) {
	widths := t.widths()
	shown := t.fit(widths, c.width)
	head := make([]string, len(t.columns))
	for i, col := range t.columns {
		head[i] = col.title
	}
	t.printRow(c, head, shown, widths, func(_ int, s string) string { return c.style.faint(s) })
	for r, row := range t.rows {
		t.printRow(c, row, shown, widths, func(i int, s string) string {
			if t.paint == nil {
				return s
			}
			return t.paint(r, i, s)
		})
	}
}

// widths gives the width that each column wants; 0 for one that has nothing to show.
func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, col := range t.columns {
		for _, row := range t.rows {
			widths[i] = max(widths[i], ansi.StringWidth(row[i]))
		}
		if widths[i] > 0 || len(t.rows) == 0 {
			widths[i] = max(widths[i], ansi.StringWidth(col.title))
		}
	}
	return widths
}

// fit decides which columns are shown, and narrows widths to what there is room for.
func (t *table) fit(widths []int, room int) []bool {
	shown := make([]bool, len(t.columns))
	for i := range shown {
		shown[i] = widths[i] > 0
	}
	if room <= 0 {
		return shown
	}
	for t.total(widths, shown, true) > room {
		worst := -1
		for i, col := range t.columns {
			if shown[i] && col.rank > 0 && (worst < 0 || col.rank > t.columns[worst].rank) {
				worst = i
			}
		}
		if worst < 0 {
			break // what is left is cut at the edge
		}
		shown[worst] = false
	}
	over := t.total(widths, shown, false) - room
	for i := len(t.columns) - 1; i >= 0 && over > 0; i-- {
		if least := t.columns[i].least; shown[i] && least > 0 && least < widths[i] {
			cut := min(over, widths[i]-least)
			widths[i] -= cut
			over -= cut
		}
	}
	return shown
}

// total gives the width of a row.
func (t *table) total(widths []int, shown []bool, shrunk bool) int {
	total := 0
	for i, w := range widths {
		if !shown[i] {
			continue
		}
		if least := t.columns[i].least; shrunk && least > 0 {
			w = min(w, least)
		}
		if total > 0 {
			total += len(gap)
		}
		total += w
	}
	return total
}

func (t *table) printRow(c *console, cells []string, shown []bool, widths []int, paint func(int, string) string) {
	var b strings.Builder
	for i, cell := range cells {
		if !shown[i] {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(gap)
		}
		cell = ansi.Truncate(cell, widths[i], "…")
		pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(cell))
		if t.columns[i].right {
			b.WriteString(pad + paint(i, cell))
		} else {
			b.WriteString(paint(i, cell) + pad)
		}
	}
	c.line(b.String())
}
