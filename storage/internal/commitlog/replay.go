package commitlog

// Replay calls fn with what each record holds, from a position on, which the owner has noted
// as the first one that is needed. The slices are fn's own. The next record goes behind the
// last one.
//
// A record is begun when the one before it is durable. So only the last one can be there in
// part, after a crash, and then nobody was told that it is. A record that is there behind one
// that is not means that the log is damaged: Replay returns storage.ErrCorrupt. What it
// cannot tell from a crash is that the last record has been damaged.
func (l *Log) Replay(from Position, fn func(held []byte) error) error {
	if from.Offset < headerSize || from.Offset%alignment != 0 {
		return damaged("position %d is not one of a record", from.Offset)
	}
	l.Restart(from)
	for {
		at := l.Head()
		f, record, err := l.read(at.Offset, at.Seq)
		if err != nil {
			return err
		}
		if record == nil || f.seq != at.Seq {
			return l.expectEnd(at)
		}
		next := Position{at.Offset + f.size(), at.Seq + 1}
		if f.kind == kindJump {
			next.Offset = headerSize
		}
		l.moveHead(next)
		if f.kind == kindRecord {
			if err := fn(record[recordHeader : recordHeader+f.length]); err != nil {
				return damaged("record %d at %d: %v", at.Seq, at.Offset, err)
			}
		}
	}
}

// read reads the record at an offset; it is nil when none with a number of at least seq is
// there.
func (l *Log) read(offset int64, seq uint64) (f fields, record []byte, err error) {
	var head [recordHeader]byte
	if offset+recordHeader > l.size {
		return f, nil, nil
	}
	if _, err := l.file.ReadAt(head[:], offset); err != nil {
		return f, nil, err
	}
	f, ok := readFields(head[:], seq, l.size-offset)
	if !ok {
		return f, nil, nil
	}
	record = make([]byte, f.size())
	if _, err := l.file.ReadAt(record, offset); err != nil {
		return f, nil, err
	}
	if order.Uint64(record[16:]) != checksum(record, l.id, offset) {
		return f, nil, nil
	}
	return f, record, nil
}

// expectEnd returns an error when the file holds a record that comes after the one that is
// missing.
func (l *Log) expectEnd(at Position) error {
	offset, err := l.find(at.Seq)
	if err == nil && offset >= 0 {
		err = damaged("record %d at %d is broken, and one at %d comes after it", at.Seq, at.Offset, offset)
	}
	return err
}

// find returns the offset of a record with a number of at least seq, wherever it may stand,
// or -1 when there is none.
func (l *Log) find(seq uint64) (int64, error) {
	const window = 1 << 20
	buffer := make([]byte, min(window+recordHeader, l.size))
	for from := int64(headerSize); from+recordHeader <= l.size; from += window {
		part := buffer[:min(int64(len(buffer)), l.size-from)]
		if _, err := l.file.ReadAt(part, from); err != nil {
			return -1, err
		}
		for i := 0; i < window && i+recordHeader <= len(part); i += alignment {
			offset := from + int64(i)
			if _, ok := readFields(part[i:], seq, l.size-offset); !ok {
				continue
			}
			if _, record, err := l.read(offset, seq); err != nil || record != nil {
				return offset, err
			}
		}
	}
	return -1, nil
}

// Empty reports whether the file holds no record of this log at all, wherever it may stand.
func (l *Log) Empty() (bool, error) {
	offset, err := l.find(0)
	return offset < 0, err
}
