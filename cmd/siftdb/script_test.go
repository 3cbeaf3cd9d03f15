package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siftdb/siftdb/security/script"
)

// rules is a data source with a rule that is a script, as the body of its creation.
func rules(t *testing.T, name, source string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"name": name, "organizationId": 1, "accessRules": []any{map[string]any{"script": source}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestScripts: the command runs rules that are JavaScript, and is none the worse for bad ones.
func TestScripts(t *testing.T) {
	posix(t)
	if !script.Supported {
		t.Skip("there is no engine for this platform")
	}
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens.json")
	list := `[{"id": 1, "token": "boss", "admin": true}, {"id": 2, "token": "bob", "organizationId": 1, "user": {"Email": "bob@x"}},
		{"id": 3, "token": "eve", "organizationId": 1, "user": {"Email": "eve@x"}}]`
	if err := os.WriteFile(tokens, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "app.db")
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--tokens", tokens)
	create := func(name, source string, rows ...string) {
		t.Helper()
		s.must("boss", "POST", "/v1/data-sources", rules(t, name, source))
		for _, row := range rows {
			s.must("boss", "PUT", "/v1/data-sources/"+name+"/data", row)
		}
	}
	create("Members", `return {}`, `{"Email": "bob@x", "Team": "red"}`)
	create("Notes", `if (type === 'select') { query.Owner = user.Email; return {granted: true, exclude: ['Secret']} }
		return {granted: type === 'insert' && query.Owner === user.Email}`,
		`{"Owner": "bob@x", "Text": "his", "Secret": "s"}`, `{"Owner": "eve@x", "Text": "hers", "Secret": "s"}`)
	create("Teams", `const m = await DataSources('Members').findOne({where: {Email: user.Email}});
		if (m) query.Name = m.data.Team;
		return {granted: m !== null && type === 'select'}`, `{"Name": "red"}`, `{"Name": "blue"}`)
	create("Endless", `for (;;);`, `{"a": 1}`)
	create("Native", `return {granted: 'a'.repeat(3e7).indexOf('a'.repeat(1.5e7) + 'b') > 0}`, `{"a": 1}`)
	create("Broken", `return {granted: nonsense}`, `{"a": 1}`)

	for _, c := range []struct {
		token, method, path, body string
		status                    int
		has, lacks                string
	}{
		{"bob", "GET", "Notes/data", "", 200, `"his"`, "hers"},
		{"bob", "GET", "Notes/data", "", 200, `"Owner":"bob@x"`, "Secret"},
		{"bob", "PUT", "Notes/data", `{"Owner": "bob@x", "Text": "new"}`, 201, `"new"`, ""},
		{"bob", "PUT", "Notes/data", `{"Owner": "eve@x", "Text": "forged"}`, 400, "datasource.access", ""},
		{"bob", "DELETE", "Notes/data/1", "", 400, "datasource.access", ""},
		{"bob", "GET", "Members/data", "", 400, "datasource.access", "red"},
		{"bob", "GET", "Teams/data", "", 200, `"red"`, "blue"},
		{"eve", "GET", "Teams/data", "", 400, "datasource.access", "red"},
		{"bob", "GET", "Broken/data", "", 400, "datasource.access", "nonsense"},
	} {
		status, text := s.ask(c.token, c.method, "/v1/data-sources/"+c.path, c.body)
		if status != c.status || !strings.Contains(text, c.has) || c.lacks != "" && strings.Contains(text, c.lacks) {
			t.Errorf("%s: %s %s: %d %s", c.token, c.method, c.path, status, text)
		}
	}
	waitFor(t, "the script that failed in the log", func() bool {
		log := s.stderr.String()
		return strings.Contains(log, "nonsense") && strings.Contains(log, "dataSource=6")
	})

	// Scripts without end, all at once, are denied; the others are served meanwhile and after.
	answers := make(chan string)
	const hostile = 4
	for i := range hostile {
		go func() {
			status, text := s.ask("bob", "GET", "/v1/data-sources/"+[]string{"Endless", "Native"}[i%2]+"/data", "")
			answers <- fmt.Sprint(status, text)
		}()
	}
	s.must("boss", "GET", "/v1/data-sources/Notes/data", "")
	for range hostile {
		select {
		case got := <-answers:
			if !strings.HasPrefix(got, "400") || !strings.Contains(got, "datasource.access") {
				t.Errorf("a script without end: %s", got)
			}
		case <-time.After(33 * time.Second):
			t.Fatal("a script without end is not ended")
		}
	}
	s.must("bob", "GET", "/v1/data-sources/Teams/data", "")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		workers := children(t, s.cmd.Process.Pid)
		if len(workers) == 0 && runtime.GOOS == "linux" {
			t.Error("there are no workers")
		}
		if err := s.stop(signal); signal == syscall.SIGTERM && err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
		gone(t, workers)
		if signal == syscall.SIGTERM {
			s = start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--tokens", tokens)
			s.must("bob", "GET", "/v1/data-sources/Teams/data", "")
			// One of them is busy with what nothing but a signal ends; its request is cut off.
			go func() {
				if resp, err := http.Get(s.url + "/v1/data-sources/Native/data?auth_token=bob"); err == nil {
					resp.Body.Close()
				}
			}()
		}
	}
}

// children returns the processes that a process has started; none where there is no /proc.
func children(t *testing.T, parent int) []int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil { // it has ended
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) && f[0] != "Z" {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			found = append(found, pid)
		}
	}
	return found
}

// gone waits until processes have ended.
func gone(t *testing.T, pids []int) {
	t.Helper()
	waitFor(t, fmt.Sprint("the end of workers ", pids), func() bool {
		return !slices.ContainsFunc(pids, func(pid int) bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return err == nil && strings.HasPrefix(string(text), "siftdb-script")
		})
	})
}

// waitFor waits until something is so.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for", what)
		}
	}
}
