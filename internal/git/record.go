package git

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/slipway-dev/slipway/internal/proc"
)

// maxRecord is where a record that git writes, such as a commit's message, is
// cut: 1 MiB.
const maxRecord = 1 << 20

// recordReader reads records that each end with a separator.
type recordReader struct {
	r         *bufio.Reader
	separator byte
	long      []byte // a record that doesn't fit in r's buffer
}

func newRecordReader(r io.Reader, separator byte) *recordReader {
	return &recordReader{r: bufio.NewReaderSize(r, 64<<10), separator: separator}
}

// next gives the next record without its separator, good until the next call;
// of one longer than maxRecord the beginning. After the last it gives io.EOF,
// when the last has no separator io.ErrUnexpectedEOF.
func (r *recordReader) next() ([]byte, error) {
	b, err := r.r.ReadSlice(r.separator)
	if err == nil {
		return b[:len(b)-1], nil
	}
	if errors.Is(err, io.EOF) && len(b) == 0 {
		return nil, io.EOF
	}
	r.long = append(r.long[:0], b...)
	for errors.Is(err, bufio.ErrBufferFull) {
		b, err = r.r.ReadSlice(r.separator)
		r.long = append(r.long, b[:min(len(b), maxRecord+1-len(r.long))]...)
	}
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return r.long[:len(r.long)-1], nil // the separator, or what is over the limit
}

// eachRecord runs a command and yields what it writes, record by record; yield
// may keep nothing of the slice, and may stop with fs.SkipAll.
func (r *Repo) eachRecord(ctx context.Context, c proc.Cmd, separator byte, yield func([]byte) error) error {
	return r.stream(ctx, c, func(out io.Reader) error {
		records := newRecordReader(out, separator)
		for {
			b, err := records.next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := yield(b); err != nil {
				return err
			}
		}
	})
}
