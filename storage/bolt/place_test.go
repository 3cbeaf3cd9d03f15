package bolt

import (
	"os"
	"testing"
)

// eachPlace runs a test for a log beside the file, and for one inside it.
func eachPlace(t *testing.T, run func(t *testing.T, o Options)) {
	t.Run("beside", func(t *testing.T) { run(t, Options{Log: true}) })
	t.Run("inside", func(t *testing.T) { run(t, Options{Log: true, LogInFile: true}) })
}

// logFile is the file that a log is in, to be changed.
type logFile struct {
	t          testing.TB
	path       string
	raw        []byte
	from, size int64
}

// logOf reads the log of a store in the copy of its file at path.
func logOf(t testing.TB, s *Store, path string) *logFile {
	t.Helper()
	f := &logFile{t: t, path: path + logSuffix}
	if s.opts.LogInFile {
		var err error
		if f.from, f.size, err = s.findInside(); err != nil {
			t.Fatal(err)
		}
		f.path = path
	}
	f.read()
	return f
}

// logIn is logOf for a file that nobody has open.
func logIn(t testing.TB, o Options, path string) *logFile {
	t.Helper()
	s := openStore(t, path, Options{ReadOnly: true})
	defer s.Close()
	s.opts.LogInFile = o.LogInFile
	return logOf(t, s, path)
}

func (f *logFile) read() {
	raw, err := os.ReadFile(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.raw = raw; f.from == 0 {
		f.size = int64(len(raw))
	}
}

// held returns the bytes of the log; who changes them calls write.
func (f *logFile) held() []byte { return f.raw[f.from : f.from+f.size] }

func (f *logFile) write() {
	if err := os.WriteFile(f.path, f.raw, 0o600); err != nil {
		f.t.Fatal(err)
	}
}
