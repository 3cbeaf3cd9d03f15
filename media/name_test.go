package media_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/siftdb/siftdb/media"
)

// nameTests are names that clients may send, and what becomes of them.
var nameTests = []struct{ name, want string }{
	// Plain names stay.
	{"a", "a"},
	{"foo.jpg", "foo.jpg"},
	{"My holiday (1).JPEG", "My holiday (1).JPEG"},
	{"archive.tar.gz", "archive.tar.gz"},
	{"no extension", "no extension"},
	{"\u00dcbersicht Stra\u00dfe.pdf", "\u00dcbersicht Stra\u00dfe.pdf"},
	{"\u65e5\u672c\u8a9e.txt", "\u65e5\u672c\u8a9e.txt"},
	{"\u0444\u0430\u0439\u043b.doc", "\u0444\u0430\u0439\u043b.doc"},
	{"e\u0301.txt", "e\u0301.txt"},
	{"\U0001f469\u200d\U0001f469\u200d\U0001f467.png", "\U0001f469\u200d\U0001f469\u200d\U0001f467.png"},
	{"\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.txt", "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.txt"},
	{"a,b;c=d+e&f.txt", "a,b;c=d+e&f.txt"},
	{"it's 100% [ok] {x} @home ~1 !#$^`.txt", "it's 100% [ok] {x} @home ~1 !#$^`.txt"},
	{"-rf", "-rf"},
	{"--help", "--help"},
	{"$(reboot).txt", "$(reboot).txt"},
	{"`id`.txt", "`id`.txt"},
	{"=cmd()'!A0.csv", "=cmd()'!A0.csv"},
	{"%2e%2e%2f%2e%2e", "%2e%2e%2f%2e%2e"},
	{"%00.txt", "%00.txt"},
	{"a..b", "a..b"},
	{"a . b", "a . b"},
	{"x.y.z", "x.y.z"},
	{"_", "_"},
	{"console.txt", "console.txt"},
	{"com10", "com10"},
	{"nulls", "nulls"},
	{"auxiliary.doc", "auxiliary.doc"},
	{"COM.txt", "COM.txt"},
	{"lpt", "lpt"},

	// Directories are cut off.
	{"/etc/passwd", "passwd"},
	{"../../../etc/passwd", "passwd"},
	{"a/b/c.txt", "c.txt"},
	{"a/b/", "b"},
	{"a//", "a"},
	{"/", "file"},
	{"//", "file"},
	{"///a///", "a"},
	{"./a", "a"},
	{"../a", "a"},
	{"a/..", "file"},
	{"a/../..", "file"},
	{"a/.", "file"},
	{"C:\\Windows\\system32\\cmd.exe", "cmd.exe"},
	{"C:/a.txt", "a.txt"},
	{"C:a.txt", "C_a.txt"},
	{"C:", "C_"},
	{"C:\\", "C_"},
	{"\\\\server\\share\\f.txt", "f.txt"},
	{"\\\\?\\C:\\f.txt", "f.txt"},
	{"\\\\.\\pipe\\x", "x"},
	{"..\\..\\boot.ini", "boot.ini"},
	{"a\\b/c\\d", "d"},
	{"a/b\\", "b"},
	{"\\", "file"},
	{"\\\\", "file"},
	{"..\\/", "file"},
	{"/\\", "file"},
	{"....//....//etc/passwd", "passwd"},
	{"..../x", "x"},
	{"file:///etc/passwd", "passwd"},
	{"http://example.org/a.png?x=1#y", "a.png_x=1#y"},
	{"~/.ssh/id_rsa", "id_rsa"},
	{"/dev/null", "null"},
	{"/proc/self/environ", "environ"},

	// Dots and spaces.
	{"", "file"},
	{" ", "file"},
	{"   ", "file"},
	{".", "file"},
	{"..", "file"},
	{"...", "file"},
	{"....", "file"},
	{". .", "file"},
	{" . . ", "file"},
	{".. ", "file"},
	{" ..", "file"},
	{". ..", "file"},
	{"a.", "a"},
	{"a..", "a"},
	{"a...", "a"},
	{"a ", "a"},
	{"a   ", "a"},
	{"a. . .", "a"},
	{" a", "a"},
	{"   a", "a"},
	{".a", "a"},
	{"..a", "a"},
	{"...a", "a"},
	{". a", "a"},
	{" .a. ", "a"},
	{".htaccess", "htaccess"},
	{".htpasswd", "htpasswd"},
	{".bashrc", "bashrc"},
	{".git", "git"},
	{".env", "env"},
	{"._foo", "_foo"},
	{".DS_Store", "DS_Store"},
	{"a.txt.", "a.txt"},
	{"a.txt ", "a.txt"},
	{"a.txt . ", "a.txt"},
	{"a .txt", "a .txt"},
	{".txt", "txt"},
	{" .txt", "txt"},
	{"..txt", "txt"},
	{"\ta", "a"},
	{"a\t", "a"},
	{"\u00a0a\u00a0", "a"},
	{"\u3000a\u3000", "a"},
	{"a\u2003.", "a"},
	{"\u2028a", "a"},
	{"\u1680.", "file"},
	{"\u200d", "file"},
	{"\u200c.\u200d", "file"},
	{"\u200da\u200d", "a"},
	{"a.\u200c", "a"},

	// Control and invisible characters go.
	{"\x00", "file"},
	{"a\x00b", "ab"},
	{"a\x00.jpg", "a.jpg"},
	{"shell.php\x00.jpg", "shell.php.jpg"},
	{"\x00../a", "a"},
	{"a\x01\x02\x1f", "a"},
	{"a\nb", "ab"},
	{"a\r\nb", "ab"},
	{"a\r\nContent-Type: text/html\r\n\r\n<script>", "html_script_"},
	{"a\tb", "ab"},
	{"a\x7fb", "ab"},
	{"a\u0080b", "ab"},
	{"a\u009fb", "ab"},
	{"a\u0085b", "ab"},
	{"\x1b[31mred", "[31mred"},
	{"a\bb", "ab"},
	{"\u202egpj.exe", "gpj.exe"},
	{"photo\u202egpj.exe", "photogpj.exe"},
	{"a\u202ab\u202c", "ab"},
	{"a\u2066b\u2069", "ab"},
	{"a\u200eb\u200f", "ab"},
	{"a\u061cb", "ab"},
	{"\ufeffa.txt", "a.txt"},
	{"a\u200bb", "ab"},
	{"a\u2060b", "ab"},
	{"a\u00adb", "ab"},
	{"a\u2028b\u2029c", "abc"},
	{"a\U000e0041b", "ab"},
	{"\x00", "file"},
	{"\n", "file"},
	{"\x00\x00\x00", "file"},
	{"\u202e", "file"},
	{"\ufeff", "file"},
	{".\x00", "file"},
	{".\x00.", "file"},
	{"a.\x00", "a"},
	{"a \x00", "a"},
	{".\u200b.", "file"},
	{"CON\x00", "_CON"},
	{"N\x00UL", "_NUL"},
	{"CON\u200b.txt", "_CON.txt"},

	// What is no UTF-8, and what is no character.
	{"\xff", "_"},
	{"\xff\xfe", "_"},
	{"a\xffb", "a_b"},
	{"a\xff\xfe\xfdb", "a_b"},
	{"\xc0\xae\xc0\xae/x", "x"},
	{"\xc0\xae\xc0\xae", "_"},
	{"\xc0\xafetc", "_etc"},
	{"\xe0\x80\xaf", "_"},
	{"\xed\xa0\x80", "_"},
	{"\xf4\x90\x80\x80", "_"},
	{"\xc3", "_"},
	{"a\xe2\x82", "a_"},
	{"\xe2\x82.txt", "_.txt"},
	{"caf\xe9.txt", "caf_.txt"},
	{"\x80\x80.jpg", "_.jpg"},
	{"a\ufffeb", "a_b"},
	{"a\uffffb", "a_b"},
	{"a\ufdd0b", "a_b"},
	{"a\U0010ffffb", "a_b"},
	{"a\ue000b", "a_b"},
	{"a\U000f0000b", "a_b"},
	{"a\u0378b", "a_b"},
	{"\ufffd", "\ufffd"},
	{"a\ufffdb", "a\ufffdb"},

	// What Windows has no place for.
	{"a:b", "a_b"},
	{"a:", "a_"},
	{":a", "_a"},
	{":", "_"},
	{"::$DATA", "__$DATA"},
	{"f.txt:stream", "f.txt_stream"},
	{"f.txt::$DATA", "f.txt__$DATA"},
	{"a<b>c", "a_b_c"},
	{"a\"b\"", "a_b_"},
	{"a|b", "a_b"},
	{"a?b", "a_b"},
	{"a*b", "a_b"},
	{"*", "_"},
	{"?", "_"},
	{"*.*", "_._"},
	{"<script>alert(1)</script>", "script_"},
	{"\"><img src=x onerror=alert(1)>.png", "___img src=x onerror=alert(1)_.png"},
	{"a.txt?.jpg", "a.txt_.jpg"},
	{"|cat", "_cat"},
	{"<>:\"|?*", "_______"},
	{"<", "_"},
	{"a>", "a_"},
	{"CON:", "CON_"},
	{"CON:x", "CON_x"},
	{"a\uff0fb", "a\uff0fb"},
	{"a\u2215b", "a\u2215b"},
	{"..\uff0f..", "\uff0f"},
	{"a\uff1ab", "a\uff1ab"},

	// Names of devices.
	{"CON", "_CON"},
	{"con", "_con"},
	{"Con", "_Con"},
	{"PRN", "_PRN"},
	{"AUX", "_AUX"},
	{"NUL", "_NUL"},
	{"nul", "_nul"},
	{"nUl", "_nUl"},
	{"COM0", "_COM0"},
	{"COM1", "_COM1"},
	{"com9", "_com9"},
	{"LPT0", "_LPT0"},
	{"LPT1", "_LPT1"},
	{"lpt9", "_lpt9"},
	{"COM\u00b9", "_COM\u00b9"},
	{"COM\u00b2", "_COM\u00b2"},
	{"COM\u00b3", "_COM\u00b3"},
	{"LPT\u00b9", "_LPT\u00b9"},
	{"CONIN$", "_CONIN$"},
	{"conout$", "_conout$"},
	{"CLOCK$", "_CLOCK$"},
	{"CON.txt", "_CON.txt"},
	{"con.tar.gz", "_con.tar.gz"},
	{"NUL.", "_NUL"},
	{"NUL..", "_NUL"},
	{"NUL ", "_NUL"},
	{"NUL .txt", "_NUL .txt"},
	{"NUL  .txt.x", "_NUL  .txt.x"},
	{"aux.c", "_aux.c"},
	{"COM1.log", "_COM1.log"},
	{"LPT\u00b2.x", "_LPT\u00b2.x"},
	{"conin$.x", "_conin$.x"},
	{".CON", "_CON"},
	{" CON", "_CON"},
	{"..NUL..", "_NUL"},
	{"a/CON", "_CON"},
	{"a\\NUL.txt", "_NUL.txt"},
	{"CON/", "_CON"},
	{"CON/..", "file"},
	{"_CON", "_CON"},
	{"COM\u2074", "COM\u2074"},
	{"COM1x", "COM1x"},
	{"NUL\u00a0", "_NUL"},
	{"NUL\u00a0.txt", "NUL\u00a0.txt"},
	{"\u200bNUL", "_NUL"},

	// Long names keep their extension and whole characters.
	{long("a", 255), long("a", 255)},
	{long("a", 256), long("a", 255)},
	{long("a", 1<<20), long("a", 255)},
	{long("a", 300) + ".jpg", long("a", 251) + ".jpg"},
	{long("a", 251) + ".jpg", long("a", 251) + ".jpg"},
	{long("a", 252) + ".jpg", long("a", 251) + ".jpg"},
	{long("a", 300) + ".tar.gz", long("a", 252) + ".gz"},
	{long("\u00e9", 200), long("\u00e9", 127)},
	{long("\u00e9", 200) + ".txt", long("\u00e9", 125) + ".txt"},
	{"a" + long("\u00e9", 200) + ".txt", "a" + long("\u00e9", 125) + ".txt"},
	{long("\u65e5", 100) + ".txt", long("\u65e5", 83) + ".txt"},
	{long("\U0001f600", 100) + ".png", long("\U0001f600", 62) + ".png"},
	{"a." + long("b", 300), "a." + long("b", 253)},
	{"a." + long("\u00e9", 300), "a." + long("\u00e9", 126)},
	{long("a", 300) + "." + long("b", 32), long("a", 222) + "." + long("b", 32)},
	{long("a", 300) + "." + long("b", 33), long("a", 255)},
	{long("a", 254) + ".b" + long("c", 40), long("a", 254)},
	{long("a", 250) + long(" ", 50) + "b", long("a", 250)},
	{long("a", 250) + long(".", 50) + "b", long("a", 250) + "....b"},
	{long(" ", 300) + "a.txt", "a.txt"},
	{long(".", 300), "file"},
	{long(" ", 300), "file"},
	{long("../", 100) + "x", "x"},
	{long("a/", 5000), "a"},
	{long("\xff", 300), "_"},
	{long("\xffa", 300), long("_a", 127) + "_"},
	{long("\x00", 300) + "a", "a"},
	{long("?", 300), long("_", 255)},
	{"NUL" + long(" ", 300) + ".txt", "_NUL" + long(" ", 247) + ".txt"},
	{"NUL" + long(" ", 247) + ".abcd", "_NUL" + long(" ", 246) + ".abcd"},
	{"CON." + long("a", 300), "_CON." + long("a", 250)},
	{"CON." + long("a", 251), "_CON." + long("a", 250)},
}

func long(s string, n int) string { return strings.Repeat(s, n) }

// TestCleanName has each name become what the table says: a name that a directory
// takes, in which it is the one file, under just that name.
func TestCleanName(t *testing.T) {
	if len(nameTests) < 200 {
		t.Errorf("only %d names", len(nameTests))
	}
	for _, test := range nameTests {
		got := media.CleanName(test.name)
		if got != test.want {
			t.Errorf("CleanName(%.80q) = %+.300q, want %+.300q", test.name, got, test.want)
		}
		checkName(t, test.name, got)
		tryName(t, got)
	}
}

// tryName has a directory and a store take a name.
func tryName(t *testing.T, name string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile(name, []byte(name), 0o600); err != nil {
		t.Errorf("the system does not take %+q: %v", name, err)
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name || !entries[0].Type().IsRegular() {
		t.Errorf("writing %+q gives %v, %v", name, entries, err)
	}
	s := media.Memory()
	path := media.NewPath(nil, nil, name)
	mustPut(t, s, path, []byte(name))
	if b, err := readAll(t, s, path); err != nil || string(b) != name {
		t.Errorf("a store gives %q back for %+q: %v", b, name, err)
	}
}

// device matches the names that Windows keeps for itself.
var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9\x{b9}\x{b2}\x{b3}]) *(\.|$)`)

// checkName checks what CleanName promises of any name, in other words than those
// of CleanName itself.
func checkName(t *testing.T, name, got string) {
	t.Helper()
	bad := func(why string) { t.Errorf("CleanName(%.80q) = %+.300q: %s", name, got, why) }
	if got == "" || len(got) > 255 || !utf8.ValidString(got) {
		bad("empty, long or no UTF-8")
	}
	if strings.ContainsAny(got, "/\\<>:\"|?*\x00\x7f\u2028\u2029\u202e\u200b\ufeff") || strings.ContainsFunc(got, unicode.IsControl) {
		bad("a character that may not be")
	}
	if strings.HasPrefix(got, ".") || strings.HasPrefix(got, " ") || strings.HasSuffix(got, ".") || strings.HasSuffix(got, " ") {
		bad("a dot or space at an end")
	}
	if device.MatchString(got) {
		bad("a device of Windows")
	}
	if !filepath.IsLocal(got) || filepath.Base(got) != got {
		bad("not a name in a directory")
	}
	if again := media.CleanName(got); again != got {
		bad("cleaned again, it is " + again)
	}
	if err := media.CheckPath("a/" + got); err != nil {
		bad(err.Error())
	}
}

func FuzzCleanName(f *testing.F) {
	for _, test := range nameTests {
		if len(test.name) < 1000 {
			f.Add(test.name)
		}
	}
	f.Fuzz(func(t *testing.T, name string) { checkName(t, name, media.CleanName(name)) })
}

func TestNewPath(t *testing.T) {
	id := func(n int64) *int64 { return &n }
	for _, test := range []struct {
		app, org *int64
		name     string
		want     string
	}{
		{id(789), id(456), "foo.jpg", `^apps/789/[0-9a-f]{32}/foo\.jpg$`},
		{nil, id(456), "foo.jpg", `^organizations/456/[0-9a-f]{32}/foo\.jpg$`},
		{nil, nil, "foo.jpg", `^files/[0-9a-f]{32}/foo\.jpg$`},
		{id(-1 << 63), nil, "../../x\x00", `^apps/-9223372036854775808/[0-9a-f]{32}/x$`},
		{id(1), nil, long("n", 9999), `^apps/1/[0-9a-f]{32}/n{255}$`},
		{id(0), nil, "", `^apps/0/[0-9a-f]{32}/file$`},
	} {
		seen := map[string]bool{}
		for range 1000 {
			path := media.NewPath(test.app, test.org, test.name)
			if !regexp.MustCompile(test.want).MatchString(path) || seen[path] {
				t.Fatalf("NewPath gives %q, want a new one like %s", path, test.want)
			}
			seen[path] = true
			if err := media.CheckPath(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}
