package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/slipway-dev/slipway/internal/publish"
)

// find looks for an unfinished upload of the same content, and drops those of
// other content that have lain there for long. A server that has no such list, or
// a key that may not read it, is no hindrance: the upload begins anew.
func (u *upload) find(ctx context.Context) error {
	uploads, err := u.store.uploads(ctx, u.key)
	if err != nil || len(uploads) == 0 {
		return err
	}
	for _, other := range uploads {
		parts, last, err := u.partsOfUpload(ctx, other.UploadID)
		if err != nil {
			return err
		}
		if last.Before(other.Initiated) {
			last = other.Initiated
		}
		switch {
		case parts != nil && len(parts) > len(u.have):
			u.id, u.have = other.UploadID, parts
		case parts == nil && time.Since(last) > u.store.stale:
			if err := u.store.abort(ctx, u.key, other.UploadID); err != nil && !errors.Is(err, publish.ErrForbidden) {
				return err
			}
		}
	}
	return nil
}

// uploads are the unfinished uploads of a key.
func (s *Store) uploads(ctx context.Context, key string) (found []minio.ObjectMultipartInfo, err error) {
	keyMarker, idMarker := "", ""
	for {
		var page minio.ListMultipartUploadsResult
		err := s.try(ctx, "look for uploads of", key, func(ctx context.Context, _ attempt) (err error) {
			page, err = s.client.ListMultipartUploads(ctx, s.bucket, key, keyMarker, idMarker, "", 0)
			if unknown(err) {
				page, err = minio.ListMultipartUploadsResult{}, nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			if u.Key == key {
				found = append(found, u)
			}
		}
		if !page.IsTruncated || page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker || page.NextKeyMarker > key {
			return found, nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// unknown is of a server that does not know, or not tell, what was asked for.
func unknown(err error) bool {
	e, ok := serverSaid(err)
	return ok && (e.Code == "NotImplemented" || e.Code == "MethodNotAllowed" || e.Code == "AccessDenied" && e.StatusCode == http.StatusForbidden)
}

// partsOfUpload gives the MD5 of an upload's parts by number, and when the last came; nil
// when it has none, or has one that is not of this content.
func (u *upload) partsOfUpload(ctx context.Context, id string) (parts map[int]string, last time.Time, err error) {
	s := u.store
	fits := true
	found := map[int]string{}
	for marker := 0; ; {
		var page minio.ListObjectPartsResult
		err := s.try(ctx, "look for parts of", u.key, func(ctx context.Context, _ attempt) (err error) {
			page, err = s.client.ListObjectParts(ctx, s.bucket, u.key, id, marker, 0)
			if e, ok := serverSaid(err); ok && e.Code == "NoSuchUpload" || unknown(err) {
				page, err = minio.ListObjectPartsResult{}, nil
			}
			return err
		})
		if err != nil {
			return nil, last, err
		}
		for _, p := range page.ObjectParts {
			if p.LastModified.After(last) {
				last = p.LastModified
			}
			fits = fits && p.PartNumber >= 1 && p.PartNumber <= u.n && p.Size == u.sizeOf(p.PartNumber)
			found[p.PartNumber] = strings.Trim(p.ETag, `"`)
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			break
		}
		marker = page.NextPartNumberMarker
	}
	if !fits || len(found) == 0 {
		return nil, last, nil
	}
	return found, last, nil
}
