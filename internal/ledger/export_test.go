package ledger

import (
	"context"
	"errors"
	"fmt"
)

// LimitPages has a SQLite database be full at so many pages.
func LimitPages(ctx context.Context, l *Ledger, pages int) error {
	db, ok := l.db.(*sqliteDB)
	if !ok {
		return errors.New("it is no SQLite database")
	}
	_, err := db.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	return err
}
