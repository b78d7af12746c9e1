package release

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// publish checks the places that a release goes to besides the forge.
func (v *validator) publish() {
	p := v.given.Publish
	if s := p.S3; s != nil {
		v.s3("publish.s3", *s)
	}
	if f := p.Folder; f != nil {
		v.folder("publish.folder", *f)
	}
	if p.S3 == nil && p.Folder == nil && p.Index != (PublishIndex{}) {
		v.add("publish.index", "add `publish: {s3: …}` or `publish: {folder: …}`", "page, list and feed have no place to lie in")
	}
	v.index("publish.index", p.Index)
	for _, l := range p.layouts() {
		v.indexBeside("publish.index", p.Index, l)
	}
	if p.Script != "" {
		v.fileName("publish.script", p.Script)
	}
}

var ipAddress = regexp.MustCompile(`^[0-9]+(\.[0-9]+){3}$`)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (v *validator) s3(field string, s PublishS3) {
	v.enum(field+".addressing", s, "Addressing", s.Addressing)
	if s.Endpoint != "" {
		if u, ok := v.url(field+".endpoint", s.Endpoint); ok && strings.Trim(u.Path, "/") != "" {
			v.add(field+".endpoint", "the bucket goes to `bucket`", "%q has a path", s.Endpoint)
		}
	}
	switch {
	case s.Bucket == "":
		v.add(field+".bucket", "", "the bucket has no name")
	case !bucketName.MatchString(s.Bucket) || strings.Contains(s.Bucket, "..") || ipAddress.MatchString(s.Bucket):
		v.add(field+".bucket", "3 to 63 lower-case letters, digits, dots and hyphens", "%q is no name of a bucket", s.Bucket)
	}
	if s.URL != "" {
		v.url(field+".url", s.URL)
	}
	if strings.ContainsFunc(s.Region, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		v.add(field+".region", "such as eu-west-3, or garage", "%q is no region", s.Region)
	}
	v.layout(field, s.Layout)
	v.classNames(field+".classes", s.Classes, "leave the key out for all classes")
}

func (v *validator) folder(field string, f PublishFolder) {
	if strings.TrimSpace(f.Path) == "" {
		v.add(field+".path", "", "the folder has no path")
	}
	v.text(field+".path", f.Path)
	if first, _, _ := strings.Cut(path.Clean(f.Path), "/"); first == ".git" {
		v.add(field+".path", "take a folder beside the repository", "%q is git's own folder", f.Path)
	}
	if f.URL == "" {
		v.add(field+".url", "the list has whole addresses", "the URL that readers find the folder at is missing")
	} else {
		v.url(field+".url", f.URL)
	}
	v.layout(field, f.Layout)
	v.classNames(field+".classes", f.Classes, "leave the key out for all classes")
}

// url checks a web address.
func (v *validator) url(field, s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		v.add(field, "write it as https://…", "%q is no URL", s)
	case u.User != nil:
		v.add(field, "credentials come from the environment", "the URL has a user in it")
	case u.RawQuery != "" || u.Fragment != "":
		v.add(field, "end it with the path", "%q has a query or a fragment", s)
	default:
		return u, true
	}
	return nil, false
}

// key checks a path in a place.
func (v *validator) key(field, key string) bool {
	for s := range strings.SplitSeq(key, "/") {
		switch {
		case s == "":
			v.add(field, "write it without a slash at its ends, and no two in a row", "%q has an empty segment", key)
		case strings.HasPrefix(s, "."):
			v.add(field, "what begins with a dot is Slipway's own, and a path stays below its place", "%q has a segment that begins with a dot", key)
		case strings.ContainsAny(s, "\\\x00\n\r\t"):
			v.add(field, "", "%q has a backslash or a control character in it", key)
		default:
			continue
		}
		return false
	}
	return true
}

func (v *validator) layout(field string, l Layout) {
	if l.Prefix != "" && v.key(field+".prefix", l.Prefix) && strings.ContainsAny(l.Prefix, "{}") {
		v.add(field+".prefix", "placeholders go to `layout`", "the prefix is the same for all releases")
	}
	if l.Layout == "" || !v.key(field+".layout", l.Layout) {
		return
	}
	if _, err := Expand(l.Layout, v.layoutVars()); err != nil {
		v.add(field+".layout", "", "%v", err)
		return
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(l.Layout, "{"+n+"}") })
	}
	switch {
	case !has("release", "version", "tag"):
		v.add(field+".layout", "put {release} into it", "all releases would lie at one place")
	case !has("target", "platform", "arch"):
		v.add(field+".layout", "put {target} into it", "all platforms would lie at one place")
	case has("arch") && !has("variant", "target", "platform") && v.buildsARM():
		v.add(field+".layout", "write {arch}{variant}", "linux/arm/v6 would be called arm, as would linux/arm/v7")
	case !has("binary"):
		v.add(field+".layout", "end it with {binary}", "the layout does not say what the binary is called")
	}
}

// buildsARM says whether a build is for a platform that has variants.
func (v *validator) buildsARM() bool {
	for _, b := range v.cfg.Builds {
		for _, name := range b.Platforms {
			if p, err := ParsePlatform(name); err == nil && p.Variant != "" {
				return true
			}
		}
	}
	return false
}

func (v *validator) index(field string, x PublishIndex) {
	owner := map[string]string{}
	for _, p := range []struct{ name, key string }{{"html", x.HTML}, {"json", x.JSON}, {"atom", x.Atom}} {
		if p.key == "" || !v.key(field+"."+p.name, p.key) {
			continue
		}
		if strings.ContainsAny(p.key, "{}") {
			v.add(field+"."+p.name, "write a plain path: it is the same for all releases", "%q has a brace in it", p.key)
		}
		if other, taken := owner[path.Clean(p.key)]; taken {
			v.add(field+"."+p.name, "", "it would lie where `%s` lies", other)
		}
		owner[path.Clean(p.key)] = p.name
	}
}

// indexBeside checks page, list and feed, defaults filled in, against each other
// and the releases of a place.
func (v *validator) indexBeside(field string, x PublishIndex, l Layout) {
	l = l.withDefaults()
	full := x.plan(l)
	owner := map[string]string{}
	for _, p := range []struct{ name, given, key string }{{"json", x.JSON, full.JSON}, {"html", x.HTML, full.HTML}, {"atom", x.Atom, full.Atom}} {
		key := path.Clean(p.key)
		other, taken := owner[key]
		owner[key] = p.name
		switch at := field + "." + p.name; {
		case v.reported(at):
		case taken && p.given == "": // said of the other one
			v.add(field+"."+other, "", "it would lie where `%s` lies: %s", p.name, key)
		case taken:
			v.add(at, "", "it would lie where `%s` lies: %s", other, key)
		case key == l.Prefix || strings.HasPrefix(key, l.Prefix+"/"):
			v.add(at, "put it beside that folder: "+l.Prefix+path.Ext(full.HTML), "%s is, or is in, the folder of the releases", key)
		}
	}
}

// layouts are those of the places.
func (p Publish) layouts() (out []Layout) {
	if p.S3 != nil {
		out = append(out, p.S3.Layout)
	}
	if p.Folder != nil {
		out = append(out, p.Folder.Layout)
	}
	return out
}

// classNames checks names of classes against the config's own, or the ones that
// every repository has.
func (v *validator) classNames(field string, names []string, empty string) {
	emptyList(v, field, names, empty)
	known := v.knownClasses()
	for i, n := range names {
		switch {
		case slices.Contains(names[:i], n):
			v.add(at(field, i), "", "the class %s is listed twice", n)
		case !slices.Contains(known, n):
			hint := EnumHint(n, known)
			if hint == "" {
				hint = "the classes are " + strings.Join(known, ", ")
			}
			v.add(at(field, i), hint, "there is no class %q", n)
		}
	}
}

func (v *validator) knownClasses() []string {
	var known []string
	for _, c := range v.given.classesOrDefault() {
		known = append(known, c.Name)
	}
	return known
}

// layoutVars are what a layout may name, with the values of a made-up release.
func (v *validator) layoutVars() map[string]string {
	vars := v.sample().on(samplePlatform)
	vars["release"], vars["binary"] = "v1.2.3", "hello"
	return vars
}
