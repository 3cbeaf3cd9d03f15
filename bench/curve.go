package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// plotFile is what the plot is called, beside the file that shows it.
const plotFile = "curves.svg"

// curve measures the stores at growing sizes.
func curve() error {
	reports, err := measureSizes()
	if err != nil {
		return err
	}
	if *flagKeep != "" {
		if err := os.WriteFile(*flagKeep, encode(reports), 0o644); err != nil {
			return err
		}
	}
	text := curves(reports)
	fmt.Print(text)
	if *flagWrite == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(*flagWrite), plotFile), []byte(plot(reports)), 0o644); err != nil {
		return err
	}
	return publish("curves", text)
}

func measureSizes() (reports []report, err error) {
	if *flagAgain != "" {
		text, err := os.ReadFile(*flagAgain)
		if err != nil {
			return nil, err
		}
		return reports, json.Unmarshal(text, &reports)
	}
	for word := range strings.SplitSeq(*flagSizes, ",") {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		for _, e := range chosen() {
			r, err := inProcess(e.name, n, false)
			if err != nil {
				return nil, err
			}
			reports = append(reports, r)
		}
	}
	return reports, nil
}

// series are the times of one operation on one store, size by size.
func series(reports []report, store, op string) (sizes []int64, times []time.Duration) {
	for i := range reports {
		if x := reports[i].result(op); reports[i].Store == store && x != nil {
			sizes, times = append(sizes, reports[i].N), append(times, x.Time)
		}
	}
	return sizes, times
}

// curves is the table of all sizes: a line for each operation and store.
func curves(reports []report) string {
	var b strings.Builder
	sizes, _ := series(reports, reports[0].Store, "load")
	fmt.Fprintf(&b, "%s\n\nThe last column is the time at the largest size over that at the smallest, which has %d times less data.\n\n![the same, plotted](%s)\n\n",
		machine(), sizes[len(sizes)-1]/sizes[0], plotFile)
	b.WriteString("| operation | store |")
	for _, n := range sizes {
		fmt.Fprintf(&b, " %s |", thousands(n))
	}
	b.WriteString(" growth |\n| --- | --- |" + strings.Repeat(" --- |", len(sizes)+1) + "\n")
	for _, op := range operations {
		for _, e := range engines {
			_, times := series(reports, e.name, op.name)
			if len(times) == 0 {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s |", op.name, e.name)
			for _, t := range times {
				fmt.Fprintf(&b, " %s |", span(t))
			}
			fmt.Fprintf(&b, " %.3g |\n", float64(times[len(times)-1])/float64(times[0]))
		}
	}
	for _, line := range []struct {
		name string
		of   func(report) string
	}{
		{"bytes on disk", func(r report) string { return mebi(r.Disk) }},
		{"anonymous memory at most", func(r report) string { return mebi(r.Memory) }},
	} {
		for _, e := range engines {
			var cells strings.Builder
			for _, r := range reports {
				if r.Store == e.name {
					fmt.Fprintf(&cells, " %s |", line.of(r))
				}
			}
			if cells.Len() > 0 {
				fmt.Fprintf(&b, "| %s | %s |%s |\n", line.name, e.name, cells.String())
			}
		}
	}
	for _, r := range reports {
		for _, x := range r.Results {
			if x.Wrong != "" {
				fmt.Fprintf(&b, "\n%s, %d books, %s: WRONG: %s\n", r.Store, r.N, x.Op, x.Wrong)
			}
		}
	}
	return b.String()
}

// The plot: a panel for each operation, both axes logarithmic, a line for each store.
const (
	panelWidth, panelHeight = 220.0, 150.0
	panelsInRow             = 4
)

var colours = map[string]string{"siftdb": "#0a58ca", "SQLite": "#c0392b", "bbolt": "#7f8c8d"}

func plot(reports []report) string {
	var panels []string
	for _, op := range operations {
		if _, times := series(reports, reports[0].Store, op.name); len(times) > 0 {
			panels = append(panels, op.name)
		}
	}
	rows := (len(panels) + panelsInRow - 1) / panelsInRow
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="10">`+"\n",
		panelsInRow*panelWidth, float64(rows)*panelHeight+20)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, op := range panels {
		panel(&b, reports, op, float64(i%panelsInRow)*panelWidth, float64(i/panelsInRow)*panelHeight)
	}
	x := 10.0
	for _, e := range engines {
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" fill="%s">%s</text>`+"\n", x, float64(rows)*panelHeight+14, colours[e.name], e.name)
		x += 70
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// panel draws one operation with its corner at a place.
func panel(b *strings.Builder, reports []report, op string, left, top float64) {
	lowest, highest := math.Inf(1), math.Inf(-1)
	var first, last int64
	for _, e := range engines {
		sizes, times := series(reports, e.name, op)
		for i, t := range times {
			lowest, highest = min(lowest, math.Log10(float64(t))), max(highest, math.Log10(float64(t)))
			if first == 0 {
				first = sizes[0]
			}
			last = sizes[i]
		}
	}
	lowest, highest = math.Floor(lowest), math.Ceil(highest+1e-9)
	const edge = 24.0
	width, height := panelWidth-2*edge-16, panelHeight-2*edge
	across := func(n int64) float64 {
		return left + edge + 16 + width*math.Log(float64(n)/float64(first))/max(math.Log(float64(last)/float64(first)), 1e-9)
	}
	up := func(log float64) float64 { return top + edge + height*(highest-log)/(highest-lowest) }
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" font-weight="bold">%s</text>`+"\n", left+edge+16, top+14, op)
	for log := lowest; log <= highest; log++ {
		fmt.Fprintf(b, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#555">%s</text>`+"\n",
			across(first), up(log), across(last), across(first)-3, up(log)+3, span(time.Duration(math.Pow(10, log))))
	}
	for _, n := range []int64{first, last} {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#555">%s</text>`+"\n", across(n), top+edge+height+12, thousands(n))
	}
	for _, e := range engines {
		sizes, times := series(reports, e.name, op)
		if len(times) == 0 {
			continue
		}
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="`, colours[e.name])
		for i, t := range times {
			fmt.Fprintf(b, "%.1f,%.1f ", across(sizes[i]), up(math.Log10(float64(t))))
		}
		b.WriteString(`"/>` + "\n")
	}
}
