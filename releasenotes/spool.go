package releasenotes

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// spool holds rendered sections until they are copied out in another order: a
// little in memory, more in a temporary file.
type spool struct {
	dir    string
	buffer []byte // what is not in the file yet
	file   *os.File
	name   string // the file's, while it has one
	size   int64  // of the file
}

const spoolMemory = 1 << 20 // bytes

// append adds data and returns where it begins.
func (s *spool) append(data []byte) (int64, error) {
	at := s.size + int64(len(s.buffer))
	s.buffer = append(s.buffer, data...)
	if len(s.buffer) < spoolMemory {
		return at, nil
	}
	return at, s.flush()
}

func (s *spool) flush() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "slipway-changelog-*")
		if err != nil {
			return fmt.Errorf("spool changelog: %w", err)
		}
		s.file, s.name = f, f.Name()
		if os.Remove(s.name) == nil { // where a file can go while it is open, nothing is left behind
			s.name = ""
		}
	}
	n, err := s.file.Write(s.buffer)
	s.size += int64(n)
	if err != nil {
		return fmt.Errorf("spool changelog: %w", err)
	}
	s.buffer = s.buffer[:0]
	return nil
}

// reader reads length bytes from at.
func (s *spool) reader(at, length int64) io.Reader {
	if at >= s.size {
		from := at - s.size
		return bytes.NewReader(s.buffer[from : from+length])
	}
	if at+length <= s.size {
		return io.NewSectionReader(s.file, at, length)
	}
	inFile := s.size - at
	return io.MultiReader(io.NewSectionReader(s.file, at, inFile), bytes.NewReader(s.buffer[:length-inFile]))
}

func (s *spool) close() error {
	s.buffer = nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.name != "" {
		os.Remove(s.name)
	}
	s.file = nil
	return err
}
