package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
)

// journal is the file in which changes are on the disk before they are in the
// documents' files: a header, then entries, one after another. An entry that is
// torn was never acknowledged; it and all behind it is as if it were not there.
//
//	header: magic, boot, life, next entry's number, end of what is in the files; checksum
//	entry:  length of the changes, checksum, life, number; changes
//
// The header is written without waiting for the disk, so that it counts only
// until the machine starts anew: boot says in which run of it that was. A life
// ends when the journal is emptied, so that no entry of an earlier one, which
// might be left behind the last, is taken for the next.
type journal struct {
	file *os.File
	life uint64
	next uint64 // number of the next entry
	end  int64  // of the last entry
}

const (
	journalMagic = "slipway state journal 1\n"
	headerSize   = 72
	entryHead    = 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type journalHeader struct {
	boot    [16]byte
	life    uint64
	next    uint64
	applied int64
}

func (h journalHeader) bytes() []byte {
	b := append(make([]byte, 0, headerSize), journalMagic...)
	b = append(b, h.boot[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.life)
	b = binary.LittleEndian.AppendUint64(b, h.next)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.applied))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:headerSize]
}

// readHeader reads the header; ok is false when there is none that counts now.
func readHeader(f *os.File) (h journalHeader, ok bool, err error) {
	var b [headerSize]byte
	if _, err := f.ReadAt(b[:], 0); errors.Is(err, io.EOF) {
		return h, false, nil
	} else if err != nil {
		return h, false, err
	}
	copy(h.boot[:], b[24:])
	h.life, h.next = binary.LittleEndian.Uint64(b[40:]), binary.LittleEndian.Uint64(b[48:])
	h.applied = int64(binary.LittleEndian.Uint64(b[56:]))
	ok = bytes.Equal(b[:], h.bytes()) && h.boot == bootID() && h.applied >= headerSize
	return h, ok, nil
}

// writeHeader says that all entries are in the documents' files.
func (j *journal) writeHeader() error {
	h := journalHeader{boot: bootID(), life: j.life, next: j.next, applied: j.end}
	_, err := j.file.WriteAt(h.bytes(), 0)
	return err
}

// append writes an entry and waits until it is on the disk. When it fails the
// entry is not there.
func (j *journal) append(changes []Change) error {
	b := make([]byte, entryHead, entryHead+sizeOf(changes))
	for _, c := range changes {
		b = appendChange(b, c)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-entryHead))
	binary.LittleEndian.PutUint64(b[8:], j.life)
	binary.LittleEndian.PutUint64(b[16:], j.next)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	_, err := j.file.WriteAt(b, j.end)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(err, j.file.Truncate(j.end))
	}
	j.end, j.next = j.end+int64(len(b)), j.next+1
	return nil
}

// entries calls visit for each change behind an offset, where entry number next
// is expected; the first entry of all says which life it is. It leaves the
// journal's end and next entry's number there.
func (j *journal) entries(from int64, next uint64, visit func(Change)) error {
	j.end, j.next = from, next
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	var head [entryHead]byte
	for {
		left := info.Size() - j.end - entryHead
		if left < 0 {
			return nil
		}
		if _, err := j.file.ReadAt(head[:], j.end); err != nil {
			return err
		}
		size := int64(binary.LittleEndian.Uint32(head[:]))
		life, number := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
		if size > left || number != j.next || j.end > headerSize && life != j.life {
			return nil
		}
		payload := make([]byte, size)
		if _, err := j.file.ReadAt(payload, j.end+entryHead); err != nil {
			return err
		}
		sum := crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, payload)
		if sum != binary.LittleEndian.Uint32(head[4:]) {
			return nil
		}
		for len(payload) > 0 {
			c, rest, ok := cutChange(payload)
			if !ok {
				return nil
			}
			visit(c)
			payload = rest
		}
		j.life, j.end, j.next = life, j.end+entryHead+size, j.next+1
	}
}

// close forgets the file; all that was written to it was waited for.
func (j *journal) close() {
	_ = j.file.Close()
	*j = journal{}
}

// empty drops all entries; what they changed is on the disk.
func (j *journal) empty() error {
	if err := j.file.Truncate(headerSize); err != nil {
		return err
	}
	j.life, j.next, j.end = rand.Uint64(), 0, headerSize
	return j.writeHeader()
}

func sizeOf(changes []Change) int {
	n := 0
	for _, c := range changes {
		n += 1 + 2*binary.MaxVarintLen64 + len(c.Ref) + len(c.Value)
	}
	return n
}

func appendChange(b []byte, c Change) []byte {
	kind := byte(0)
	if c.Value != nil {
		kind = 1
	}
	b = append(b, kind)
	b = append(binary.AppendUvarint(b, uint64(len(c.Ref))), c.Ref...)
	return append(binary.AppendUvarint(b, uint64(len(c.Value))), c.Value...)
}

// cutChange reads the first change of an entry.
func cutChange(b []byte) (c Change, rest []byte, ok bool) {
	kind := b[0]
	ref, b, ok := cutBytes(b[1:])
	if !ok {
		return c, nil, false
	}
	value, b, ok := cutBytes(b)
	if !ok || !IsRef(string(ref)) {
		return c, nil, false
	}
	c.Ref = string(ref)
	if kind == 1 {
		c.Value = value
	}
	return c, b, true
}

func cutBytes(b []byte) (part, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	return b[w : w+int(n) : w+int(n)], b[w+int(n):], true
}

// unknownBoot is an ID that no other process has: what others wrote is looked
// through once more.
func unknownBoot() (id [16]byte) {
	binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return id
}
