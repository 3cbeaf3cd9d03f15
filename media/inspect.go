package media

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"hash"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"net/http"
	"strings"
)

// Facts are what an Inspector found out about a file.
type Facts struct {
	// Size is the number of bytes.
	Size int64
	// Checksum is the MD5 of the bytes in hexadecimal. It tells files apart that
	// nobody has tampered with; it is no proof against those who do.
	Checksum string
	// ContentType is the type that the client named, or else the one that the
	// first 512 bytes look like. A client can name any: do not let a browser
	// render a file because of it.
	ContentType string
	// Width and Height are the dimensions in pixels of a PNG, JPEG or GIF, going
	// by the bytes; both are 0 for all else. A turn that a camera has noted in a
	// JPEG is not applied.
	Width, Height int
}

const (
	// sniffLen is how much http.DetectContentType looks at.
	sniffLen = 512
	// imagePrefix is how much of an image is kept for its dimensions. In a JPEG
	// they come after what the camera and the editors wrote down.
	imagePrefix = 256 << 10
	// maxDimension is the largest width or height believed: what a JPEG or GIF
	// can say at most.
	maxDimension = 1<<16 - 1
	// maxContentType is how long a content type of a client may be.
	maxContentType = 255
)

// Inspector finds out about a file while it passes through: it is the reader to
// hand to Store.Put. It keeps at most 256 KiB of it, of an image, and never
// decodes pixels. It is for one goroutine.
type Inspector struct {
	r       io.Reader
	claimed string
	sum     hash.Hash
	facts   Facts
	prefix  []byte // the first bytes, until the dimensions are known
	want    int    // how many of them
	config  func(io.Reader) (image.Config, error)
	sniffed string // the type, once sniffLen bytes are there
	settled bool   // no more bytes are wanted
}

// NewInspector returns an Inspector of what r gives. contentType is what the client
// said of it: it counts when it is well-formed, and "" when nothing was said.
func NewInspector(r io.Reader, contentType string) *Inspector {
	return &Inspector{r: r, claimed: cleanType(contentType), sum: md5.New(), want: sniffLen}
}

// cleanType returns a content type in its usual form, or "" for what is none.
func cleanType(s string) string {
	if len(s) > maxContentType {
		return ""
	}
	kind, params, err := mime.ParseMediaType(s)
	if err != nil || strings.Count(kind, "/") != 1 || strings.Contains(kind, "*") {
		return ""
	}
	return mime.FormatMediaType(kind, params)
}

// Read implements io.Reader.
func (in *Inspector) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	if n > 0 {
		in.facts.Size += int64(n)
		in.sum.Write(p[:n])
		in.keep(p[:n])
	}
	return n, err
}

// keep takes what is wanted of the next bytes.
func (in *Inspector) keep(p []byte) {
	for !in.settled {
		n := min(in.want-len(in.prefix), len(p))
		in.prefix = append(in.prefix, p[:n]...)
		if len(in.prefix) < in.want {
			return
		}
		p = p[n:]
		if in.sniffed == "" {
			in.sniff()
		} else {
			in.measure()
		}
	}
}

// sniff looks at the type of the prefix, and so at how much more is wanted.
func (in *Inspector) sniff() {
	in.sniffed = http.DetectContentType(in.prefix)
	switch in.sniffed {
	case "image/png":
		in.config = png.DecodeConfig
	case "image/jpeg":
		in.config = jpeg.DecodeConfig
	case "image/gif":
		in.config = gif.DecodeConfig
	default:
		in.settle()
		return
	}
	in.want = imagePrefix
}

// measure takes the dimensions from the prefix.
func (in *Inspector) measure() {
	c, err := in.config(bytes.NewReader(in.prefix))
	if err == nil && 0 < c.Width && c.Width <= maxDimension && 0 < c.Height && c.Height <= maxDimension {
		in.facts.Width, in.facts.Height = c.Width, c.Height
	}
	in.settle()
}

func (in *Inspector) settle() {
	in.settled, in.prefix = true, nil
}

// Facts returns what is known of the bytes read up to now; that is all of them once
// Read has returned io.EOF. Nothing may be read after it.
func (in *Inspector) Facts() Facts {
	if in.sniffed == "" {
		in.sniff()
	}
	if !in.settled {
		in.measure()
	}
	facts := in.facts
	facts.Checksum = hex.EncodeToString(in.sum.Sum(nil))
	facts.ContentType = in.claimed
	if facts.ContentType == "" {
		facts.ContentType = in.sniffed
	}
	return facts
}
