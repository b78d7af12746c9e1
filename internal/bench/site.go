package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// siteMode is the argument that has the benchmark make a site of records, in a
// process of its own, so that its memory is nothing else's.
const siteMode = "site-of-records"

// siteMade is what such a process says of its work.
type siteMade struct {
	Read, List, Pages, ListRead time.Duration
	CPU                         time.Duration // of List and Pages
	Encoding, Decoding          time.Duration // of the same releases with encoding/json alone
	ListSize, FirstSize         int64
	LargestSize                 int64
	Files                       int
}

// measureSite makes list, page, older pages and feed of 10,000 releases for 10
// platforms.
func measureSite(ctx context.Context, b *bench) ([]row, error) {
	const releases = 10_000
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	records := filepath.Join(b.dir, "records")
	if err := writeRecords(records, releases); err != nil {
		return nil, err
	}
	var last siteMade
	run := func(part func(siteMade) time.Duration, rivals string) *contender {
		return &contender{run: func() (time.Duration, error) {
			out, err := proc.Output(ctx, b.cmd(b.dir, self, siteMode, records, rivals))
			if err != nil {
				return 0, err
			}
			var made siteMade
			err = json.Unmarshal(out, &made)
			if rivals == "" {
				last = made
			}
			return part(made), err
		}}
	}
	all := run(func(m siteMade) time.Duration { return m.List + m.Pages }, "")
	whole := run(func(m siteMade) time.Duration { return m.Read + m.List + m.Pages }, "")
	again := run(func(m siteMade) time.Duration { return m.ListRead }, "")
	encoding := run(func(m siteMade) time.Duration { return m.Encoding }, "rivals")
	decoding := run(func(m siteMade) time.Duration { return m.Decoding }, "rivals")
	if err := b.race("site", all, encoding, whole, again, decoding); err != nil {
		return nil, err
	}
	peak, err := b.peak(ctx, b.cmd(b.dir, self, siteMode, records, ""))
	if err != nil {
		return nil, err
	}
	took := all.took.median()
	fromRecords := whole.took.median()
	return []row{
		{what: "list, page, older pages and feed of 10,000 releases × 10 platforms", ours: seconds(took), rival: seconds(encoding.took.median()) + " (encoding/json writes them)",
			figure: fmt.Sprintf("%.2f (best %s, cpu %s)", per(took, encoding.took.median()), seconds(all.took.best()), seconds(last.CPU)), goal: "< 2.00 s", met: took < 2*time.Second},
		{what: "… with their records read", figure: seconds(fromRecords), goal: "< 2.00 s", met: fromRecords < 2*time.Second},
		ratioRow("… the list read again, beside encoding/json", again, decoding, 2),
		memoryRow("… peak memory, records read and list read again included", peak, 200e6),
		{what: "… the page at first load", figure: fmt.Sprintf("%d KB", last.FirstSize/1000), goal: "< 300 KB", met: last.FirstSize < 300_000},
		{what: "… the largest of the files but the list", figure: fmt.Sprintf("%d KB", last.LargestSize/1000), goal: "< 300 KB", met: last.LargestSize < 300_000},
		{what: "… files, and the list's size", figure: fmt.Sprintf("%d, %s", last.Files, megabytes(last.ListSize))},
	}, nil
}

// writeRecords writes records, a line each: a third of each class, with notes, an
// image and a file for each platform.
func writeRecords(file string, count int) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	to := bufio.NewWriter(f)
	records := json.NewEncoder(to)
	for i := range count {
		if err = records.Encode(record(i)); err != nil {
			break
		}
	}
	return errors.Join(err, to.Flush(), f.Close())
}

func record(i int) site.Release {
	digest := func(what ...any) string {
		sum := sha256.Sum256([]byte(fmt.Sprintln(append(what, i)...)))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	version := fmt.Sprintf("%d.%d.%d", 1+i/1000, i/30%34, i/3%10)
	r := site.Release{Schema: site.RecordSchema, Name: "v" + version, Class: "stable", Version: version, Commit: digest("commit")[7:47],
		Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 6 * time.Hour), PlanHash: digest("plan"),
		Notes: "## Features\n\n" + strings.Repeat("- **crane:** lift what stands in the way of the ship ([#128](https://git.example/acme/hello/pulls/128))\n", 8)}
	switch i % 3 {
	case 1:
		r.Name, r.Class, r.Prerelease = r.Name+"-rc1", "extra", true
	case 2:
		r.Name, r.Class, r.Prerelease = r.Commit, "development", true
	}
	r.Tag = r.Name
	r.Page = "https://git.example/acme/hello/releases/tag/" + r.Name
	for _, name := range []string{"linux/amd64", "linux/386", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "linux/riscv64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"} {
		p, _ := release.ParsePlatform(name) // they are ones
		r.Files = append(r.Files, site.File{Name: "hello" + p.Exe(), Key: "_releases/" + r.Name + "/" + p.Target() + "/hello" + p.Exe(), Kind: release.KindBinary, Platform: &p,
			Size: 18_000_000 + int64(i), Digest: digest(name), Time: r.Time.Add(time.Minute)})
	}
	r.Images = []release.MadeImage{{ID: "hello", Repositories: []string{"registry.example/acme/hello"}, Tags: []string{version}, Digest: digest("image"), Size: 1000}}
	return r
}

// makeSite is the process of siteMode.
func makeSite(records string, rivals bool, out io.Writer) error {
	releases, took, err := readRecords(records)
	if err != nil {
		return err
	}
	made := siteMade{Read: took}
	if rivals {
		err = made.rivals(releases)
	} else {
		err = made.make(site.NewIndex(releases...))
	}
	return errors.Join(err, json.NewEncoder(out).Encode(made))
}

func readRecords(file string) (releases []site.Release, took time.Duration, err error) {
	begun := time.Now()
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var r site.Release
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return releases, time.Since(begun), nil
		} else if err != nil {
			return nil, 0, err
		}
		releases = append(releases, r)
	}
}

func (m *siteMade) make(ix *site.Index) error {
	s := site.Site{Project: "hello", Base: "https://hello.example/", Source: "https://git.example/acme/hello",
		Groups: site.DefaultGroups(release.DefaultClasses("main")), HTML: "_releases.html", JSON: "_releases.json", Atom: "_releases.atom"}
	list, err := os.CreateTemp("", "slipway-list-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(list.Close(), os.Remove(list.Name())) }()
	begun, cpu := time.Now(), ownCPU()
	if err := site.EncodeList(list, s, ix); err != nil {
		return err
	}
	m.List = time.Since(begun)
	if m.ListSize, err = list.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	begun = time.Now()
	for p, err := range site.Pages(s, ix) {
		if err != nil {
			return err
		}
		m.Files++
		m.LargestSize = max(m.LargestSize, int64(len(p.Content)))
		if p.Key == s.HTML {
			m.FirstSize = int64(len(p.Content))
		}
	}
	m.Pages, m.CPU = time.Since(begun), ownCPU()-cpu
	if _, err := list.Seek(0, io.SeekStart); err != nil {
		return err
	}
	begun = time.Now()
	_, err = site.DecodeList(list, s)
	m.ListRead = time.Since(begun)
	return err
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rivals write and read the same releases as they are.
func (m *siteMade) rivals(releases []site.Release) error {
	begun := time.Now()
	text, err := json.Marshal(releases)
	if err != nil {
		return err
	}
	m.Encoding = time.Since(begun)
	begun = time.Now()
	var back []site.Release
	err = json.Unmarshal(text, &back)
	m.Decoding = time.Since(begun)
	return err
}
