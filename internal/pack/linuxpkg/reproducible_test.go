package linuxpkg

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
)

// elsewhere is what another process is told to write, by a variable.
type elsewhere struct {
	Options Options
	Paths   []string // of the binaries
	To      string
}

const elsewhereVariable = "SLIPWAY_TEST_PACKAGE"

// TestMain is the tests, or a process of another user, time zone and host that
// writes one package.
func TestMain(m *testing.M) {
	told := os.Getenv(elsewhereVariable)
	if told == "" {
		os.Exit(m.Run())
	}
	if err := writeElsewhere(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeElsewhere(told string) error {
	var e elsewhere
	if err := json.Unmarshal([]byte(told), &e); err != nil {
		return err
	}
	for i, path := range e.Paths {
		e.Options.Binaries[i].Path = path
	}
	f, err := os.Create(e.To)
	if err != nil {
		return err
	}
	if err := Write(context.Background(), f, e.Options); err != nil {
		return err
	}
	return f.Close()
}

// The same commit gives the same bytes: on another host, for another user with
// another umask, in another time zone, with another number of processors, from a
// checkout in another place with other times and modes.
func TestSameBytesElsewhere(t *testing.T) {
	t.Parallel()
	for _, format := range release.PackageFormats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			o := sample(t, format)
			here := build(t, o)
			e := elsewhere{Options: o, To: filepath.Join(t.TempDir(), "out")}
			e.Options.Dir = filepath.Join(t.TempDir(), "another [place]")
			e.Options.Time = o.Time.In(time.FixedZone("there", 3600)).Add(123 * time.Millisecond)
			copyTree(t, o.Dir, e.Options.Dir)
			built := filepath.Join(t.TempDir(), "{dist}*", "hello")
			if err := os.MkdirAll(filepath.Dir(built), 0o755); err != nil {
				t.Fatal(err)
			}
			run(t, "cp", o.Binaries[0].Path, built)
			if err := os.Chmod(built, 0o711); err != nil {
				t.Fatal(err)
			}
			e.Paths = []string{built}
			told, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"sh", "-c", `umask 0077; exec "$0"`, os.Args[0]}
			if os.Geteuid() == 0 {
				args = []string{"unshare", "--uts", "sh", "-c", `umask 0077; echo another-host > /proc/sys/kernel/hostname; exec "$0"`, os.Args[0]}
			}
			err = proc.Run(t.Context(), proc.Cmd{Args: args, Env: []string{elsewhereVariable + "=" + string(told), "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "USER=other", "HOME=/nowhere",
				"SOURCE_DATE_EPOCH=1", "GOMAXPROCS=1", "NFPM_PASSPHRASE=x", "Name=y"}})
			if err != nil {
				t.Fatal(err)
			}
			there, err := os.ReadFile(e.To)
			if err != nil {
				t.Fatal(err)
			}
			if string(there) != string(here) {
				t.Errorf("%d bytes here and %d there differ", len(here), len(there))
			}
		})
	}
}

// copyTree copies a checkout with other times and modes; what is executable stays so.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, text, st.Mode()&0o700); err != nil {
			return err
		}
		old := time.Date(1999, 12, 31, 0, 0, 0, 0, time.Local)
		return os.Chtimes(target, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}
