package project_test

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/project"
	"github.com/slipway-dev/slipway/internal/release"
)

// The address of a bucket is a server, a bucket and perhaps a folder, and nothing
// else; an error does not repeat it, for a key may stand in it.
func TestCheckBucket(t *testing.T) {
	t.Parallel()
	for address, says := range map[string]string{
		"https://garage.example/releases":                    "",
		"http://127.0.0.1:3900/releases/":                    "",
		"https://garage.example/releases/shop/_releases":     "",
		"HTTPS://Garage.example/releases":                    "",
		"":                                                   "no address",
		"releases":                                           "no address",
		"garage.example/releases":                            "no address",
		"s3://releases/hunter2":                              "no address",
		"ftp://garage.example/releases":                      "no address",
		"https:///releases":                                  "no address",
		"https://:443/releases":                              "no address",
		"https://key:hunter2@/releases":                      "no address",
		"https://key:hunter2%zz@garage.example/releases":     "no address",
		"https://key:hunter2@garage.example/releases":        "no user",
		"https://garage.example/releases?secret=hunter2":     "no user, query",
		"https://garage.example/releases#hunter2":            "fragment",
		"https://garage.example":                             "names no bucket",
		"https://garage.example//":                           "names no bucket",
		"https://garage.example/releases/../hunter2":         "..",
		"https://garage.example/releases/%2e%2e/hunter2":     "..",
		"https://garage.example/releases//shop":              "empty segment",
		"https://garage.example/releases/./shop":             ".",
		"https://garage.example//releases":                   "empty segment",
		"https://garage.example/releases\nhttps://x/hunter2": "no address",
	} {
		err := project.CheckBucket(address)
		switch {
		case says == "" && err != nil, says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%q: %v, want %q", address, err, says)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: %v", address, err)
		}
	}
}

// Promise: a repository publishes to those buckets, and folders of them, alone
// that bot.yaml lets it have, and to no folder of the bot's machine. What a
// refusal says to write into bot.yaml does help.
func TestMayPublish(t *testing.T) {
	t.Parallel()
	const garage = "https://garage.example"
	at := func(endpoint, bucket, prefix string) release.Config {
		return release.Config{Publish: release.Publish{S3: &release.PublishS3{Endpoint: endpoint, Bucket: bucket, Layout: release.Layout{Prefix: prefix}}}}
	}
	index := func(prefix string, x release.PublishIndex) release.Config {
		cfg := at(garage, "releases", prefix)
		cfg.Publish.Index = x
		return cfg
	}
	inside := release.PublishIndex{HTML: "shop/index.html", JSON: "shop/index.json", Atom: "shop/feed"}
	for name, c := range map[string]struct {
		config  release.Config
		buckets []string
		host    bool
		refused bool
	}{
		"nowhere":                      {release.Config{}, nil, false, false},
		"the bucket":                   {at(garage, "releases", ""), []string{garage + "/releases"}, false, false},
		"a slash at its end":           {at(garage+"/", "releases", ""), []string{garage + "/releases/"}, false, false},
		"the second of two":            {at(garage, "releases", ""), []string{garage + "/other", garage + "/releases"}, false, false},
		"case of the server":           {at("HTTPS://GARAGE.example", "releases", ""), []string{"https://Garage.Example/releases"}, false, false},
		"the usual port":               {at(garage+":443", "releases", ""), []string{garage + "/releases"}, false, false},
		"a folder":                     {at(garage, "releases", "shop/_releases"), []string{garage + "/releases/shop/"}, false, false},
		"the folder itself":            {index("shop", inside), []string{garage + "/releases/shop"}, false, false},
		"a folder two deep":            {at(garage, "releases", "shop/hello/r"), []string{garage + "/releases/shop/hello"}, false, false},
		"none given":                   {at(garage, "releases", ""), nil, false, true},
		"none given, plain builds":     {at(garage, "releases", ""), nil, true, true},
		"another bucket":               {at(garage, "secrets", ""), []string{garage + "/releases"}, false, true},
		"case of the bucket":           {at(garage, "Releases", ""), []string{garage + "/releases"}, false, true},
		"a longer bucket":              {at(garage, "releases-2", ""), []string{garage + "/releases"}, false, true},
		"a shorter bucket":             {at(garage, "release", ""), []string{garage + "/releases"}, false, true},
		"another server":               {at("https://garage.example.evil.example", "releases", ""), []string{garage + "/releases"}, false, true},
		"another scheme":               {at("http://garage.example", "releases", ""), []string{garage + "/releases"}, false, true},
		"another port":                 {at(garage+":8443", "releases", ""), []string{garage + "/releases"}, false, true},
		"a user before the server":     {at("https://garage.example@evil.example", "releases", ""), []string{garage + "/releases"}, false, true},
		"no server":                    {at("", "releases", ""), []string{garage + "/releases"}, false, true},
		"no server, on AWS":            {at("", "releases", ""), []string{"https://s3.us-east-1.amazonaws.com/releases"}, false, true},
		"beside the folder":            {at(garage, "releases", ""), []string{garage + "/releases/shop"}, false, true},
		"a folder with a longer name":  {at(garage, "releases", "shopping/_releases"), []string{garage + "/releases/shop"}, false, true},
		"case of the folder":           {at(garage, "releases", "Shop/_releases"), []string{garage + "/releases/shop"}, false, true},
		"above the folder":             {at(garage, "releases", "shop/_releases"), []string{garage + "/releases/shop/hello"}, false, true},
		"its page beside the folder":   {at(garage, "releases", "shop"), []string{garage + "/releases/shop"}, false, true},
		"up and out":                   {at(garage, "releases", "shop/../secrets"), []string{garage + "/releases/shop"}, false, true},
		"up and out twice":             {at(garage, "releases", "shop/x/../../secrets"), []string{garage + "/releases/shop"}, false, true},
		"page outside":                 {index("shop/r", release.PublishIndex{HTML: "index.html"}), []string{garage + "/releases/shop"}, false, true},
		"list outside":                 {index("shop/r", release.PublishIndex{JSON: "other/list.json"}), []string{garage + "/releases/shop"}, false, true},
		"feed outside":                 {index("shop/r", release.PublishIndex{Atom: "shop/../feed"}), []string{garage + "/releases/shop"}, false, true},
		"a page named like the folder": {index("shop/r", release.PublishIndex{HTML: "shop"}), []string{garage + "/releases/shop"}, false, true},
		"an address that is none":      {at(garage, "releases", ""), []string{"%zz", garage, garage + "/x/../releases"}, false, true},
		"a folder of the machine":      {release.Config{Publish: release.Publish{Folder: &release.PublishFolder{Path: "/srv/www"}}}, []string{garage + "/releases"}, false, true},
		"a folder, plain builds":       {release.Config{Publish: release.Publish{Folder: &release.PublishFolder{Path: "/srv/www"}}}, nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := project.MayPublish(c.config, c.buckets, c.host)
			if (release.KindOf(err) == release.Refused) != c.refused || err != nil && !c.refused {
				t.Fatalf("%v", err)
			}
			_, say, told := strings.Cut(release.HintOf(err), "in bot.yaml: ")
			if !told {
				return
			}
			if strings.Contains(say, "@") { // bot.yaml takes no such address
				return
			}
			if err := project.MayPublish(c.config, append(c.buckets, say), c.host); err != nil || project.CheckBucket(say) != nil {
				t.Errorf("with %s: %v, %v", say, err, project.CheckBucket(say))
			}
		})
	}
}
