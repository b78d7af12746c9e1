package main

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/progress"
	"github.com/slipway-dev/slipway/internal/publish"
	folderstore "github.com/slipway-dev/slipway/internal/publish/folder"
	"github.com/slipway-dev/slipway/internal/publish/s3"
	"github.com/slipway-dev/slipway/internal/publish/shelf"
	"github.com/slipway-dev/slipway/internal/release"
	"github.com/slipway-dev/slipway/internal/site"
)

// places are where the config sends releases besides the forge.
func (a *app) places(cfg release.Config, target *release.Target, top string, show progress.Reporter) ([]publish.Place, error) {
	return placesFor(a.shelves(cfg, target, top, show))
}

func placesFor(shelves []*shelf.Shelf, err error) ([]publish.Place, error) {
	out := make([]publish.Place, len(shelves))
	for i, s := range shelves {
		out[i] = s
	}
	return out, err
}

// shelves are the places that keep files and a list of them.
func (a *app) shelves(cfg release.Config, target *release.Target, top string, show progress.Reporter) ([]*shelf.Shelf, error) {
	return shelvesOf(cfg, target, top, show, a.getenv)
}

// shelvesOf opens them with the settings and keys that getenv finds.
func shelvesOf(cfg release.Config, target *release.Target, top string, show progress.Reporter, getenv func(string) string) ([]*shelf.Shelf, error) {
	var out []*shelf.Shelf
	if p := cfg.Publish.S3; p != nil {
		store, base, err := bucket(*p, show, getenv)
		if err != nil {
			return nil, err
		}
		o, err := shelfOptions(cfg, target, release.PlaceS3, p.Layout, base, show)
		if err != nil {
			return nil, err
		}
		o.Store = store
		out = append(out, shelf.New(o))
	}
	if p := cfg.Publish.Folder; p != nil {
		dir := p.Path
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(top, dir)
		}
		store, err := folderstore.Open(dir)
		if err != nil {
			return nil, err
		}
		o, err := shelfOptions(cfg, target, release.PlaceFolder, p.Layout, p.URL, show)
		if err != nil {
			return nil, err
		}
		o.Store = store
		out = append(out, shelf.New(o))
	}
	return out, nil
}

// shelfOptions are those of a place, as the config has them; the store is the
// caller's.
func shelfOptions(cfg release.Config, target *release.Target, kind string, l release.Layout, base string, show progress.Reporter) (shelf.Options, error) {
	class, err := release.ClassOfName(cfg.Classes)
	if err != nil {
		return shelf.Options{}, err
	}
	l, x := cfg.Publish.Place(l)
	s := site.Site{Project: cfg.Project, Title: cfg.Publish.Index.Title, Description: cmp.Or(cfg.Publish.Index.Description, cfg.Description),
		Base: strings.TrimRight(base, "/") + "/", Groups: site.DefaultGroups(cfg.Classes), HTML: x.HTML, JSON: x.JSON, Atom: x.Atom}
	if cfg.Publish.Script != "" {
		s.Script = l.Prefix + "/" + cfg.Publish.Script
	}
	if target != nil {
		s.Source = target.Server + "/" + target.Repository
	}
	return shelf.Options{What: kind, Site: s, Root: l.Prefix, Layout: l.Layout, Class: class, Note: show.Note, Now: time.Now}, nil
}

// bucket opens a bucket, and says at which URL readers find it.
func bucket(p release.PublishS3, show progress.Reporter, getenv func(string) string) (*s3.Store, string, error) {
	region := cmp.Or(p.Region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"))
	endpoint := cmp.Or(p.Endpoint, getenv("SLIPWAY_S3_ENDPOINT"), getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL"))
	onAWS := endpoint == ""
	if onAWS {
		endpoint = "https://s3." + cmp.Or(region, "us-east-1") + ".amazonaws.com"
	}
	l, _ := release.Publish{}.Place(p.Layout)
	o := s3.Options{Probe: l.Prefix + "/.slipway/probe", Endpoint: endpoint, Region: region, Bucket: p.Bucket, UserAgent: "slipway/" + stamped(),
		AccessKey: getenv("SLIPWAY_S3_ACCESS_KEY_ID"), SecretKey: getenv("SLIPWAY_S3_SECRET_ACCESS_KEY"),
		OnRetry: func(op string, wait time.Duration, reason string) {
			show.Note(fmt.Sprintf("%s: %s; once more in %s", op, reason, wait.Round(100*time.Millisecond)))
		}}
	if o.Addressing = p.Addressing; o.Addressing == "auto" {
		o.Addressing = ""
	}
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey, o.SessionToken = getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN")
	}
	if o.AccessKey == "" || o.SecretKey == "" {
		return nil, "", release.Invalidf("set SLIPWAY_S3_ACCESS_KEY_ID and SLIPWAY_S3_SECRET_ACCESS_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
			"there are no keys for bucket %s", p.Bucket)
	}
	store, err := s3.New(o)
	if err != nil {
		return nil, "", err
	}
	base := p.URL
	if base == "" {
		u, err := url.Parse(endpoint)
		if err != nil {
			return nil, "", err
		}
		if base = u.JoinPath(p.Bucket).String(); p.Addressing == "virtual" || onAWS && p.Addressing != "path" {
			u.Host = p.Bucket + "." + u.Host
			base = u.String()
		}
	}
	return store, base, nil
}
