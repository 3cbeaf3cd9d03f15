package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// comparison is the table of one size.
func comparison(reports []report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", machine())
	fmt.Fprintf(&b, "%s books and %s loans; medians. bbolt %s, SQLite %s in pure Go.\n\n", thousands(reports[0].N), thousands(reports[0].N*loansEach),
		versionOf("go.etcd.io/bbolt"), versionOf("modernc.org/sqlite"))
	b.WriteString("| operation |")
	for _, r := range reports {
		b.WriteString(" " + r.Store + " |")
	}
	b.WriteString(" siftdb and the best other |\n| --- |" + strings.Repeat(" --- |", len(reports)+1) + "\n")
	for _, op := range operations {
		fmt.Fprintf(&b, "| %s: %s |", op.name, op.text)
		for i := range reports {
			b.WriteString(" " + cell(reports[i].result(op.name)) + " |")
		}
		b.WriteString(" " + advantage(reports, op.name) + " |\n")
	}
	line := func(name string, of func(report) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, r := range reports {
			b.WriteString(" " + of(r) + " |")
		}
		b.WriteString(" |\n")
	}
	line("bytes on disk, with loans and indexes", func(r report) string { return mebi(r.Disk) })
	line("anonymous memory at most", func(r report) string { return mebi(r.Memory) })
	line("fsync probe of 4 KiB before", func(r report) string { return span(r.Fsync) })
	for _, r := range reports {
		fmt.Fprintf(&b, "\n- %s: %s", r.Store, r.About)
		for _, x := range r.Results {
			if x.Wrong != "" {
				fmt.Fprintf(&b, "\n- %s, %s: WRONG: %s", r.Store, x.Op, x.Wrong)
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}

// advantage says how many times as fast siftdb is as the best other store.
func advantage(reports []report, op string) string {
	var own, best time.Duration
	for i := range reports {
		x := reports[i].result(op)
		switch {
		case x == nil:
		case reports[i].Store == "siftdb":
			own = x.Time
		case best == 0 || x.Time < best:
			best = x.Time
		}
	}
	if own == 0 || best == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2g ×", float64(best)/float64(own))
}

func cell(x *result) string {
	if x == nil {
		return "–"
	}
	text := span(x.Time)
	if x.Rate > 0 {
		text = thousands(int64(x.Rate))
	}
	if x.P99 > 0 {
		text += ", p99 " + span(x.P99)
	}
	if x.Wrong != "" {
		text += " WRONG"
	}
	return text
}

// span is a time with three digits.
func span(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.3g µs", d.Seconds()*1e6)
}

func mebi(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<19)>>20) }

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// machine says where and when.
func machine() string {
	cpu, memory := "an unknown processor", ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err == nil {
			memory = fmt.Sprintf("%d GiB of memory, ", kib>>20)
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	busy := ""
	if fields := strings.Fields(string(load)); len(fields) > 0 {
		busy = "; load average at the end " + fields[0]
	}
	return fmt.Sprintf("%d cores (%s), %s%s, %s, %s%s.", runtime.NumCPU(), cpu, memory, runtime.GOOS, runtime.Version(), time.Now().UTC().Format("2 January 2006"), busy)
}

// publish puts a text between its markers in the file that is wanted.
func publish(name, text string) error {
	if *flagWrite == "" {
		return nil
	}
	old, err := os.ReadFile(*flagWrite)
	if err != nil {
		return err
	}
	page, err := between(old, name, text)
	if err != nil {
		return err
	}
	return os.WriteFile(*flagWrite, page, 0o644)
}

// between replaces what stands between the markers of a name.
func between(page []byte, name, text string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- %s: begin -->\n", name), fmt.Appendf(nil, "<!-- %s: end -->", name)
	i := bytes.Index(page, begin)
	j := bytes.Index(page, end)
	if i < 0 || j < i {
		return nil, fmt.Errorf("the file has no markers %q and %q", bytes.TrimSpace(begin), end)
	}
	return bytes.Join([][]byte{page[:i+len(begin)], []byte(text), page[j:]}, nil), nil
}
