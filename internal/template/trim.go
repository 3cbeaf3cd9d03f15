package template

import "strings"

const blanks = " \t"

// trim takes off the white space that tags ask to be taken off, and the lines of tags of blocks
// and comments that stand alone on theirs. All decisions are made on the text as it was.
func trim(tokens []token) {
	alone := make([]bool, len(tokens))
	for i := range tokens {
		alone[i] = tokens[i].alone() && endsLine(tokens, i) && beginsLine(tokens, i)
	}
	for i := range tokens {
		tag := &tokens[i]
		if tag.kind == textToken {
			continue
		}
		if i > 0 && tokens[i-1].kind == textToken {
			before := &tokens[i-1].text
			switch {
			case tag.left:
				*before = strings.TrimRight(*before, spaces)
			case alone[i]:
				*before = strings.TrimRight(*before, blanks)
			}
		}
		if i+1 < len(tokens) && tokens[i+1].kind == textToken {
			after := &tokens[i+1].text
			switch {
			case tag.right:
				*after = strings.TrimLeft(*after, spaces)
			case alone[i]:
				*after = strings.TrimLeft(*after, blanks)
				*after = strings.TrimPrefix(strings.TrimPrefix(*after, "\r"), "\n")
			}
		}
	}
}

const spaces = " \t\r\n\f\v"

// beginsLine reports whether only blanks stand between the start of the line and a tag.
func beginsLine(tokens []token, i int) bool {
	if i == 0 {
		return true
	}
	before := tokens[i-1]
	if before.kind != textToken {
		return false
	}
	line := before.text[strings.LastIndexByte(before.text, '\n')+1:]
	return strings.Trim(line, blanks) == "" && (len(line) < len(before.text) || i == 1)
}

// endsLine reports whether only blanks stand between a tag and the end of the line.
func endsLine(tokens []token, i int) bool {
	if i+1 == len(tokens) {
		return true
	}
	after := tokens[i+1]
	if after.kind != textToken {
		return false
	}
	rest := strings.TrimLeft(after.text, blanks)
	return strings.HasPrefix(rest, "\n") || strings.HasPrefix(rest, "\r\n") || rest == "" && i+2 == len(tokens)
}
