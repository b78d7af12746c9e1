package state

import (
	"fmt"
	"net/url"
	"strings"
)

const (
	// ending tells a document's file from the folder of the documents below it.
	ending = ".json"

	// With the ending, a file's name has at most 255 bytes.
	longestSegment = 200
)

// FilePath is the path, with slashes, of a document's file in stores that keep
// files. Segments are escaped, so that no ref leaves the folder or falls
// together with another; a name that begins with a dot is no document's.
func FilePath(ref string) (string, error) {
	if err := CheckRef(ref); err != nil {
		return "", err
	}
	segments := strings.Split(ref, "/")
	for i, s := range segments {
		s = escape(s)
		if len(s) > longestSegment {
			return "", tooLong(ref)
		}
		if i < len(segments)-1 {
			s = escapeFolder(s)
		}
		segments[i] = s
	}
	return strings.Join(segments, "/") + ending, nil
}

// FileRef is the ref of the document that a file keeps; ours is false when it
// keeps none.
func FileRef(path string) (ref string, ours bool) {
	bare, isFile := strings.CutSuffix(path, ending)
	if !isFile {
		return "", false
	}
	segments := strings.Split(bare, "/")
	for i, s := range segments {
		if segments[i], ours = unescape(s, i < len(segments)-1); !ours {
			return "", false
		}
	}
	ref = strings.Join(segments, "/")
	again, err := FilePath(ref)
	return ref, err == nil && again == path
}

func tooLong(ref string) error {
	return fmt.Errorf("state ref %.40q… has a part that is too long for the name of a file", ref)
}

func escape(segment string) string {
	s := url.PathEscape(segment)
	if strings.HasPrefix(s, ".") {
		s = "%2E" + s[1:]
	}
	return s
}

// escapeFolder keeps the folder of the documents below "a.json" apart from the
// file of the document "a".
func escapeFolder(name string) string {
	if bare, found := strings.CutSuffix(name, ending); found {
		return bare + "%2E" + ending[1:]
	}
	return name
}

// unescape is the segment that a name stands for; ours is false for a name that
// no segment has.
func unescape(name string, folder bool) (segment string, ours bool) {
	segment, err := url.PathUnescape(name)
	if err != nil {
		return "", false
	}
	again := escape(segment)
	return segment, again == name || folder && escapeFolder(again) == name
}
