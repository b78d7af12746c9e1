package s3

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// budget bounds the memory of content on its way, over all that is put at a time.
type budget struct {
	most int64
	free *semaphore.Weighted
	kept chan []byte // buffers of parts, to be used again
}

func newBudget(most int64) *budget {
	return &budget{most: most, free: semaphore.NewWeighted(most), kept: make(chan []byte, parallel)}
}

// get waits until there is room for a buffer, which put gives back.
func (b *budget) get(ctx context.Context, size int64) ([]byte, error) {
	if err := b.free.Acquire(ctx, min(size, b.most)); err != nil {
		return nil, context.Cause(ctx)
	}
	for {
		select {
		case buf := <-b.kept:
			if int64(cap(buf)) >= size && int64(cap(buf)) < 2*size {
				return buf[:size], nil
			}
			continue // of another size: let it go
		default:
			return make([]byte, size), nil
		}
	}
}

func (b *budget) put(buf []byte) {
	select {
	case b.kept <- buf[:0]:
	default:
	}
	b.free.Release(min(int64(len(buf)), b.most))
}
