package main

import (
	"fmt"
	"html"
	"strings"
)

// chartRow is the bars of one load.
type chartRow struct {
	title string
	bars  []chartBar
}

type chartBar struct {
	name      string
	perSecond float64
	micros    float64
}

// bars are what a chapter's chart shows. Paced loads have tables only.
func bars(c chapter) []chartRow {
	var rows []chartRow
	for _, load := range c.loads {
		if load.part > 0 {
			continue
		}
		row := chartRow{title: strings.Trim(load.title, "`")}
		for _, r := range load.results {
			if len(r.Samples) > 0 {
				of := cpu
				if c.apps() {
					of = whole
				}
				row.bars = append(row.bars, chartBar{titleOf(r.Server), r.middle(rate), r.middle(of)})
			}
		}
		if len(row.bars) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// Sizes of a chart, in pixels.
const (
	chartWidth  = 960
	chartLeft   = 250 // of it for names
	chartNumber = 70  // and for the number behind a bar
	chartBarGap = 18
	chartRowGap = 14
	chartTop    = 64
)

// chartStyle reads well on white and on dark: viewers that tell which one there is
// are followed.
const chartStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600 }
.load { font-weight: 600 }
.own { fill: #1a7f37 }
.peer { fill: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } .own { fill: #3fb950 } .peer { fill: #6e7681 } }
</style>
`

// chart draws requests a second and the cost of one, which is CPU time, side by
// side. Bars of one load are drawn to one scale.
func chart(title, cost string, rows []chartRow) string {
	var body strings.Builder
	panel := (chartWidth - chartLeft) / 2
	text := func(x, y int, class, anchor, s string) {
		fmt.Fprintf(&body, "<text x=%q y=%q class=%q text-anchor=%q>%s</text>\n", fmt.Sprint(x), fmt.Sprint(y), class, anchor, html.EscapeString(s))
	}
	text(8, 22, "title", "start", title)
	text(chartLeft, 48, "load", "start", "requests a second (more is better)")
	text(chartLeft+panel, 48, "load", "start", cost+" (less is better)")
	y := chartTop
	for _, row := range rows {
		var fastest, dearest float64
		for _, b := range row.bars {
			fastest, dearest = max(fastest, b.perSecond), max(dearest, b.micros)
		}
		for i, b := range row.bars {
			if i == 0 {
				text(8, y+12, "load", "start", row.title)
			}
			text(chartLeft-8, y+12, "name", "end", b.name)
			class := "peer"
			if strings.HasPrefix(b.name, "ripd") {
				class = "own"
			}
			for n, bar := range []struct{ value, most float64 }{{b.perSecond, fastest}, {b.micros, dearest}} {
				x := chartLeft + n*panel
				width := 0
				if bar.most > 0 {
					width = int(float64(panel-chartNumber) * bar.value / bar.most)
				}
				fmt.Fprintf(&body, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"13\" rx=\"2\" class=%q/>\n", x, y+2, width, class)
				label := thousands(bar.value)
				if n == 1 {
					label = orNone("%.1f", bar.value)
				}
				text(x+width+5, y+12, "number", "start", label)
			}
			y += chartBarGap
		}
		y += chartRowGap
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%[1]d\" height=\"%[2]d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\">\n<title>%[3]s</title>\n%[4]s%[5]s</svg>\n",
		chartWidth, y, html.EscapeString(title), chartStyle, body.String())
}
