// Package simtest gives the tests of the adapters a simulated forge with a
// small repository in it, ready for the conformance suite.
package simtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/forge"
	"github.com/slipway-dev/slipway/internal/forge/forgetest"
	"github.com/slipway-dev/slipway/internal/forge/forgetest/memory"
	"github.com/slipway-dev/slipway/internal/forge/simforge"
)

// Repository is the one on each server that Start makes.
const Repository = "acme/hello"

// MaxAsset is the size in bytes of the largest asset it takes.
const MaxAsset = 1 << 20

// Sim is a server and its repository.
type Sim struct {
	Server *simforge.Server
	Repo   *memory.Repo
	Refs   *memory.MemoryRefs
	Tags   map[string]string // v1.0.0 is lightweight, v1.1.0 annotated
}

// Start starts a server with the given faults, and fails the test when one of
// them met no request.
func Start(t *testing.T, o simforge.Options, faults ...string) *Sim {
	t.Helper()
	for _, text := range faults {
		f, err := simforge.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	server, err := simforge.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Close()
		if unhit := server.Unhit(); len(unhit) > 0 && !t.Failed() && !t.Skipped() {
			t.Errorf("no request met the faults %q", unhit)
		}
		if t.Failed() {
			t.Logf("requests:\n%s", server.Recorder())
		}
	})
	s := &Sim{Server: server, Refs: memory.NewRefs()}
	s.Tags = map[string]string{"v1.0.0": memory.Hash("first"), "v1.1.0": memory.Hash("second")}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Refs.AddCommit(memory.Commit{Hash: s.Tags["v1.0.0"], Time: at, Message: "first"})
	s.Refs.AddCommit(memory.Commit{Hash: s.Tags["v1.1.0"], Time: at.Add(time.Hour), Message: "second"})
	s.Refs.SetBranch("main", s.Tags["v1.1.0"])
	s.setTag(t, "v1.0.0", s.Tags["v1.0.0"])
	s.Refs.SetAnnotatedTag("v1.1.0", s.Tags["v1.1.0"], "Release 1.1.0")
	s.Repo = server.AddRepo(memory.Options{FullName: Repository, Refs: s.Refs, Limits: forge.Limits{AssetSize: MaxAsset}})
	return s
}

func (s *Sim) setTag(t *testing.T, name, commit string) {
	t.Helper()
	if err := s.Refs.SetTag(t.Context(), name, commit); err != nil {
		t.Fatal(err)
	}
}

// Subject is the repository as the adapter sees it that connect makes.
func (s *Sim) Subject(traits forgetest.Traits, connect func(repository, token string) forge.Forge) forgetest.Subject {
	traits.MaxAssetSize = MaxAsset
	return forgetest.Subject{
		Forge: connect(Repository, simforge.WriteToken), ReadOnly: connect(Repository, simforge.ReadToken),
		BadToken: connect(Repository, "wrong-token"), Public: connect(Repository, ""),
		Missing:    connect("nobody/nothing", simforge.WriteToken),
		Repository: forge.Repository{FullName: Repository, DefaultBranch: "main", CanWrite: true},
		Tags:       s.Tags,
		SetTag:     s.setTag,
		Fill:       s.Fill,
		Traits:     traits,
	}
}

// Fill makes n published releases and, in the given draft, n assets.
func (s *Sim) Fill(t *testing.T, n int, draftID string) {
	t.Helper()
	id, err := strconv.ParseInt(draftID, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		release := memory.NewRelease{Tag: "fill-" + strconv.Itoa(i)}
		if _, err := s.Repo.Create(t.Context(), memory.Writer, release); err != nil {
			t.Fatal(err)
		}
		u := memory.Upload{Name: fmt.Sprintf("a-%03d.txt", i), Size: 1, Body: strings.NewReader("x")}
		if _, err := s.Repo.Upload(t.Context(), memory.Writer, id, u); err != nil {
			t.Fatal(err)
		}
	}
}
