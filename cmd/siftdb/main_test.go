package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "siftdb")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "siftdb")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the command does not build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// server is a running command.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	token  string // the admin token that it printed
	stderr *buffer
}

// buffer is a bytes.Buffer that two goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts the command, and waits until it listens.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, cmd: exec.Command(binary, args...), stderr: new(buffer)}
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	for deadline := time.After(20 * time.Second); s.url == ""; {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the command ended before it listened: %s", s.stderr)
			}
			if token, ok := strings.CutPrefix(line, "admin token: "); ok {
				s.token = token
			}
			s.url, _ = strings.CutPrefix(line, "listening on ")
			if !strings.HasPrefix(line, "listening on ") {
				s.url = ""
			}
		case <-deadline:
			t.Fatal("the command does not listen")
		}
	}
	go func() {
		for range lines { // what follows, so that the command never waits
		}
	}()
	return s
}

// stop sends a signal, and returns what the command returned.
func (s *server) stop(signal os.Signal) error {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		s.t.Fatal("the command does not stop")
		return nil
	}
}

// ask sends a request, and returns the status and the body.
func (s *server) ask(token, method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Auth-token", token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// must is ask for a request that must succeed.
func (s *server) must(token, method, path, body string) string {
	s.t.Helper()
	status, text := s.ask(token, method, path, body)
	if status >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return text
}

// count returns the number of entries of data source 1.
func (s *server) count(token string) int {
	s.t.Helper()
	var answer struct {
		Entries []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal([]byte(s.must(token, "GET", "/v1/data-sources/1/data", "")), &answer); err != nil {
		s.t.Fatal(err)
	}
	return len(answer.Entries)
}

func posix(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM to send")
	}
}

func TestServeMemory(t *testing.T) {
	posix(t)
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--memory", "--verbose")
	if len(s.token) < 64 || !strings.HasPrefix(s.token, "eu--") {
		t.Fatalf("token %q", s.token)
	}
	if status, text := s.ask("", "GET", "/v1/data-sources?organizationId=1", ""); status != 401 || !strings.Contains(text, "doesn't belong to any user") {
		t.Errorf("without a token: %d %s", status, text)
	}
	s.must(s.token, "POST", "/v1/data-sources?organizationId=1", `{"name": "A", "entries": [{"n": 1}, {"n": 2}]}`)
	if n := s.count(s.token); n != 2 {
		t.Errorf("%d entries", n)
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, s.stderr)
	}
	if log := s.stderr.String(); !strings.Contains(log, "route=/v1/data-sources/{ds}/data") || strings.Contains(log, s.token) {
		t.Errorf("log: %s", log)
	}
}

// TestServeFile writes to a file, stops the command politely and by force, and reads what is there.
func TestServeFile(t *testing.T) {
	posix(t)
	dir := t.TempDir()
	file, tokens := filepath.Join(dir, "app.db"), filepath.Join(dir, "tokens.json")
	list := `[{"id": 1, "token": "eu--boss", "admin": true},
		{"id": 42857, "token": "eu--secret", "admin": false, "appId": 456, "organizationId": 123, "user": {"Email": "bob@acme.com"}}, {"id": 3, "token": "eu--x"}]`
	if err := os.WriteFile(tokens, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--addr", "127.0.0.1:0", "--db", file, "--tokens", tokens}
	s := start(t, args...)
	s.must("eu--boss", "POST", "/v1/data-sources?organizationId=123", `{"name": "A", "accessRules": [{"type": "select", "allow": "loggedIn"}]}`)
	s.must("eu--boss", "PUT", "/v1/data-sources/1/data", `{"n": 1}`)
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Fatalf("after SIGTERM: %v", err)
	}

	s = start(t, args...)
	written := 1
	for range 5 {
		s.must("eu--boss", "PUT", "/v1/data-sources/1/data", `{"n": 2}`)
		written++
	}
	if n := s.count("eu--secret"); n != written {
		t.Errorf("Bob sees %d entries, want %d", n, written)
	}
	if status, text := s.ask("eu--secret", "PUT", "/v1/data-sources/1/data", `{"n": 3}`); status != 400 || !strings.Contains(text, "datasource.access") {
		t.Errorf("Bob inserts: %d %s", status, text)
	}
	if status, _ := s.ask("eu--x", "GET", "/v1/data-sources/1/data", ""); status != 400 {
		t.Errorf("a token without a user reads: %d", status)
	}
	_ = s.stop(syscall.SIGKILL)

	s = start(t, args...)
	if n := s.count("eu--boss"); n != written {
		t.Errorf("%d entries after SIGKILL, want %d", n, written)
	}
	// A token that is taken out of the file is refused at once.
	if err := os.WriteFile(tokens, []byte(`[{"id": 1, "token": "eu--boss", "admin": true}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.ask("eu--secret", "GET", "/v1/data-sources/1/data", ""); status != 401 {
		t.Errorf("a revoked token: %d", status)
	}
	second := exec.Command(binary, args...)
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "siftdb:") {
		t.Errorf("a second server on the same file: %v %s", err, out)
	}
	if err := s.stop(os.Interrupt); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
	out, err := exec.Command(binary, "check", file).CombinedOutput()
	if want := fmt.Sprintf("1 data sources, %d entries, %d versions, 0 faults\n", written, written); err != nil || string(out) != want {
		t.Errorf("check: %v %s, want %s", err, out, want)
	}
}

func TestDemo(t *testing.T) {
	posix(t)
	s := start(t, "demo", "--addr", "127.0.0.1:0")
	if text := s.must("", "GET", "/v1/data-sources/Countries/data?limit=1", ""); !strings.Contains(text, "Andorra") {
		t.Errorf("countries: %s", text)
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// TestDemoLines runs what the demo prints through a shell, if there are one and curl.
func TestDemoLines(t *testing.T) {
	posix(t)
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs", tool)
		}
	}
	cmd := exec.Command(binary, "demo", "--addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		line := scanner.Text()
		if strings.HasPrefix(line, "URL=") {
			script.Reset()
		}
		script.WriteString(strings.Replace(line, "curl ", "curl -sS ", 1) + "\n")
		if strings.Contains(line, "openapi.json") {
			break
		}
	}
	answers, runErr := exec.Command("bash", "-e", "-c", script.String()).CombinedOutput()
	if err := errors.Join(runErr, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Errorf("%v\n%s", err, answers)
	}
	for _, want := range []string{"Andorra", "Asia/Tokyo", `"pagination":{"total"`, `"people":`, `"Dora"`, `"action":"insert"`, "datasource.access", `"openapi":"3.1.0"`} {
		if !strings.Contains(string(answers), want) {
			t.Errorf("the answers lack %s", want)
		}
	}
}

// TestCommandLine runs command lines that end at once.
func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	bad, junk := filepath.Join(dir, "bad.json"), filepath.Join(dir, "junk.db")
	for _, file := range []string{bad, junk} {
		if err := os.WriteFile(file, []byte(`[{"id": 1, "tokn": "x"}]`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "siftdb serve"},
		{"help", 0, "siftdb serve"},
		{"serve --help", 0, "siftdb serve"},
		{"nonsense", 2, `no command "nonsense"`},
		{"serve --nonsense", 2, "nonsense"},
		{"serve extra", 2, `what is "extra"`},
		{"serve --db a --memory", 2, "exclude each other"},
		{"serve --memory --no-log", 2, "--no-log needs --db"},
		{"serve --tokens " + filepath.Join(dir, "none.json"), 1, "none.json"},
		{"serve --tokens " + bad, 1, "tokn"},
		{"serve --db " + junk + " --addr 127.0.0.1:0", 1, "database"},
		{"serve --addr nonsense", 1, "nonsense"},
		{"check", 2, "one file"},
		{"check " + filepath.Join(dir, "none.db"), 1, "none.db"},
		{"check " + junk, 1, "database"},
		{"demo extra", 2, "extra"},
	} {
		out, err := exec.Command(binary, strings.Fields(test.args)...).CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != test.code || !strings.Contains(string(out), test.want) {
			t.Errorf("siftdb %s: returns %d, want %d, and says %q", test.args, code, test.code, out)
		}
		if strings.Contains(string(out), "goroutine ") {
			t.Errorf("siftdb %s panics", test.args)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); err == nil {
		t.Error("check makes a file")
	}
}
