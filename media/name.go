package media

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NewPath returns a path for a new file that nobody can guess and that no other
// file has: apps/<appID>/<hex>/<name>, with 128 random bits in <hex> and the name
// as CleanName leaves it. Without an app it begins with
// organizations/<organizationID>, and without either with files.
func NewPath(appID, organizationID *int64, name string) string {
	var random [16]byte
	rand.Read(random[:]) // never fails
	owner := "files"
	switch {
	case appID != nil:
		owner = "apps/" + strconv.FormatInt(*appID, 10)
	case organizationID != nil:
		owner = "organizations/" + strconv.FormatInt(*organizationID, 10)
	}
	return owner + "/" + hex.EncodeToString(random[:]) + "/" + CleanName(name)
}

const (
	// maxName is how many bytes the name of a file may have on every system.
	maxName = 255
	// maxExtension is how many bytes of an extension, with its dot, outlive the
	// shortening of a long name.
	maxExtension = 33
	// noName is what is left of a name of which nothing is left.
	noName = "file"
)

// CleanName makes a plain name for a file from any text, such as the file name
// that a client sent. A name that is plain already is returned as it is.
//
//   - Directories are cut off, of both kinds of slash.
//   - Control and other invisible characters go, among them those that reverse the
//     order of the rest; the joiners of Persian and of emoji stay.
//   - What Windows has no place for in a name (< > : " | ? *), bytes that are not
//     UTF-8, and characters that Unicode has not assigned become "_".
//   - Spaces and dots go from both ends: from the end Windows takes them away
//     anyway, and a dot at the start hides a file or makes it a .htaccess.
//   - The names of Windows' devices, also with an extension, get a "_" in front.
//   - At most 255 bytes stay: the extension, if it is not too long itself, and
//     as much of the rest as fits, in whole characters.
//   - If nothing is left, the name is "file".
//
// The result is a name on Linux, macOS and Windows alike, never a path, and holds
// no character that ends a line. It can still hold what means something in HTML,
// a URL, a shell or a spreadsheet (& ' # % ; = and so on).
func CleanName(name string) string {
	name = strings.TrimRight(name, `/\`)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	// ToValidUTF8 turns a run of bad bytes into one "_".
	name = strings.Map(cleanRune, strings.ToValidUTF8(name, "_"))
	name = strings.TrimFunc(name, isEdge)
	if name == "" {
		return noName
	}
	name = shorten(name)
	if isDevice(name) {
		name = shorten("_" + name)
	}
	return name
}

// cleanRune maps a character of a name to itself, to "_", or to nothing (-1).
func cleanRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf && strings.ContainsRune(`<>:"|?*`, r):
		return '_'
	case r == '\u200c' || r == '\u200d': // zero-width non-joiner and joiner
		return r
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
		return -1
	case !unicode.IsGraphic(r): // unassigned, or for private use: macOS refuses some
		return '_'
	}
	return r
}

// isEdge reports whether a character may not begin or end a name.
func isEdge(r rune) bool {
	return r == '.' || r == '\u200c' || r == '\u200d' || unicode.IsSpace(r)
}

// shorten cuts a name to maxName bytes. It takes from before the extension, so
// that the type of the file still shows.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := name[strings.LastIndexByte(name, '.')+1:]
	if len(ext) >= maxExtension || len(ext) == len(name) {
		ext = ""
	} else {
		ext = "." + ext
	}
	end := maxName - len(ext)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return strings.TrimRightFunc(name[:end]+ext, isEdge)
}

// isDevice reports whether Windows takes a name for a device: CON, NUL and the
// like, whatever follows the first dot and whatever spaces stand before it.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if number, ok := strings.CutPrefix(base, port); ok {
			r, size := utf8.DecodeRuneInString(number)
			return size > 0 && size == len(number) && strings.ContainsRune("0123456789¹²³", r)
		}
	}
	return false
}
