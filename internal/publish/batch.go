package publish

import "context"

// Batcher is a Store whose writes are dear one by one, such as a branch, where
// each is a commit.
type Batcher interface {
	// Batch calls do with a Store that reads what is there and what do has written
	// so far, gathers what do writes, and then writes all of it in one step with a
	// message. A reader sees all of it or nothing. When do fails, nothing is
	// written. A condition that is no more met at the end is ErrConflict; writes
	// without one go on top of what others have written since.
	Batch(ctx context.Context, message string, do func(Store) error) error
}
