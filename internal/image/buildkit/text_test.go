package buildkit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-dev/slipway/internal/progress"
)

// The output of a failed step is its last lines, of a bounded memory, without
// the half of a line.
func TestTail(t *testing.T) {
	t.Parallel()
	var x tail
	for range 100_000 {
		x.write([]byte("0123456789\n"))
	}
	if cap(x.buf) > 4*tailBytes {
		t.Errorf("%d bytes are kept", cap(x.buf))
	}
	if d := cmp.Diff(slices.Repeat([]string{"0123456789"}, tailLines), x.lines()); d != "" {
		t.Error(d)
	}
	var long tail
	long.write([]byte(strings.Repeat("secret", tailBytes) + " rest"))
	if d := cmp.Diff([]string{"rest"}, long.lines()); d != "" {
		t.Error(d)
	}
	var none tail
	if none.lines() != nil {
		t.Error("lines of nothing")
	}
}

// Whatever secrets there are, none is left in a masked text, nor the end of one
// that begins as another does.
func TestMasker(t *testing.T) {
	t.Parallel()
	m := masker(map[string][]byte{
		"a": []byte("abc"), "b": []byte("abcdef\n"), "c": []byte("-----BEGIN\nkey-line-1\nkey-line-2\n"), "d": []byte(""), "e": []byte("x"),
	})
	for text, want := range map[string]string{
		"it is abcdef.": "it is ***.", "abc, x": "***, x", "key-line-2": "***", "nothing": "nothing",
	} {
		if got := m.Replace(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A step has a short name for the live view; BuildKit's own steps have none.
func TestShortStep(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"[linux/arm64 build 2/5] RUN make": "linux/arm64 RUN make",
		"[2/5] COPY a b":                   "COPY a b",
		"[build 1/1] FROM a/b:1@sha256:1":  "FROM a/b:1@sha256:1",
		"[build 3/5] RUN --mount=type=cache,target=/a --network=none make --x":                                                                                                "RUN make --x",
		`[build 3/5] RUN ["sh", "-euc", "# save it\nif true; then :; fi"]`:                                                                                                    "save it",
		`[build 4/5] RUN     --mount=type=cache,id=a,target=/a     set -eu;     eval "$(printenv X)";     export A=b;     case "$c" in d) export E=f ;; esac;     go build .`: "RUN go build .",
		"[context binaries] load from client":                                                                                                                                 "",
		"[internal] load build definition":                                                                                                                                    "",
		"[linux/amd64 internal] load metadata for a":                                                                                                                          "",
		"[auth] a:pull token for b":                                                                                                                                           "",
		"exporting to image":                                                                                                                                                  "exporting to image",
		"[2/5] RUN <<EOF (a...)\nb\nEOF":                                                                                                                                      "RUN <<EOF (a...)",
		"[1/2] RUN " + strings.Repeat("é", 100):                                                                                                                               "RUN " + strings.Repeat("é", 55) + "…",
		"":                                                                                                                                                                    "",
	} {
		if got := shortStep(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// What a registry says has a kind, however it says it.
func TestPushErrors(t *testing.T) {
	t.Parallel()
	x := explainer{mask: strings.NewReplacer()}
	for cause, want := range map[string]string{
		"unexpected status from POST request to http://a/v2/b/blobs/uploads/: 503 Service Unavailable": "the registry can't do it now",
		"unexpected status from PUT request to http://a/v2/b: 429 Too Many Requests":                   "the registry can't do it now",
		"failed to do request: Put \"http://a\": EOF":                                                  "the registry can't do it now",
		"unexpected status from HEAD request to http://a: 403 Forbidden":                               "not allowed",
		"push access denied, repository does not exist or may require authorization":                   "not logged in",
		"unexpected status from HEAD request to http://a: 401 Unauthorized":                            "not logged in",
		"unexpected status from PUT request to http://a:5000/v2/b: 413 Request Entity Too Large":       "413",
	} {
		err := x.push("r/a@sha256:1", cause)
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "r/a: ") {
			t.Errorf("%s: %v, want %s", cause, err, want)
		}
		if again := strings.Contains(want, "now"); mayPassAgain(err) != again {
			t.Errorf("%s: tried again: %v", cause, !again)
		}
	}
}

// No text of BuildKit's makes the explainer panic.
func FuzzExplain(f *testing.F) {
	f.Add("dockerfile parse error on line 3: unknown instruction: X", "FROM scratch\n")
	f.Add("failed to solve: failed to push a/b: unexpected status", "")
	f.Add("dockerfile parse error on line 99999999999999999999: x", "a")
	f.Add("dockerfile parse error on line 0: x", "a")
	f.Add("failed to resolve source metadata for : not found", "a")
	f.Fuzz(func(t *testing.T, text, dockerfile string) {
		x := explainer{request: Request{Name: "hello", Dockerfile: []byte(dockerfile)}, mask: strings.NewReplacer("topsecret", "***")}
		if got := x.err(errStep(text), newSteps(Request{}, x.mask)); strings.Contains(got.Error(), "topsecret") {
			t.Error(got)
		}
	})
}

// What a step writes is handed on line by line, as a terminal would show it and
// without secrets; lines with the mark are warnings.
func TestStepOutput(t *testing.T) {
	t.Parallel()
	var got said
	s := newSteps(Request{Name: "hello", Stage: &got, WarningMark: "careful: "}, strings.NewReplacer("topsecret", "***"))
	now := time.Now()
	id := digest.FromString("a")
	s.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: id, Name: "[1/1] RUN make", Started: &now}}})
	for _, part := range []string{"cc a", ".c\ncc b.c\r\n10%\r", "100%\n\x1b[31mtop", "secret\x07\ncareful: no cache\nlast"} {
		s.Write(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: id, Data: []byte(part)}}})
	}
	s.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: id, Name: "[1/1] RUN make", Started: &now, Completed: &now}}})
	if diff := cmp.Diff(said{"cc a.c", "cc b.c", "100%", "[31m***", "last"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"no cache"}, s.warned()); diff != "" {
		t.Error(diff)
	}
}

// said is a stage and its task that keep the output.
type said []string

func (s *said) Task(string, int64) progress.Task { return s }
func (s *said) At(int64)                         {}
func (s *said) Output(line string)               { *s = append(*s, line) }
func (s *said) Done(string, error)               {}
