package recipe

import (
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const nonroot = 65532 // as in distroless images

// RootFS gives what an image from scratch has besides its programs: the users
// root, nobody and nonroot, Mozilla's CA certificates, and /tmp; parents come
// before what is in them. It is the same for every image that one version of
// Slipway makes.
func RootFS() []File {
	dir := func(path string, mode int64) File { return File{Path: path, Mode: mode, Dir: true} }
	file := func(path, content string) File { return File{Path: path, Mode: 0o644, Content: []byte(content)} }
	home := dir("home/nonroot", 0o700)
	home.UID, home.GID = nonroot, nonroot
	return []File{
		dir("etc", 0o755),
		file("etc/group", "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"),
		file("etc/nsswitch.conf", "hosts: files dns\n"),
		file("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"+
			"nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"+
			"nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"),
		dir("etc/ssl", 0o755),
		dir("etc/ssl/certs", 0o755),
		file("etc/ssl/certs/ca-certificates.crt", certificates()),
		dir("home", 0o755),
		home,
		dir("root", 0o700),
		dir("tmp", 0o1777),
	}
}

// certificates are Mozilla's roots as PEM. A root that Mozilla trusts only
// within limits is left out: PEM can't say them.
func certificates() string {
	var b strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return b.String()
}

// rootfsContext is RootFS as a context. COPY gives everything that it copies to
// one owner, so that each owner's files lie in a folder of their own, named
// after its number.
func rootfsContext() Context {
	all := RootFS()
	var c Context
	for _, owner := range owners(all) {
		c.Files = append(c.Files, File{Path: strconv.Itoa(owner), Mode: 0o755, Dir: true})
		for _, f := range all {
			// The others' parents are root's, whose turn comes after them.
			if f.UID == owner || f.Dir && holds(all, f.Path, owner) {
				f.Path = fmt.Sprintf("%d/%s", owner, f.Path)
				c.Files = append(c.Files, f)
			}
		}
	}
	return c
}

// owners are the owners of files, with root last.
func owners(files []File) []int {
	out := []int{0}
	for _, f := range files {
		if !slices.Contains(out, f.UID) {
			out = append(out, f.UID)
		}
	}
	slices.Reverse(out)
	return out
}

// holds tells a folder in which an owner has something.
func holds(files []File, dir string, owner int) bool {
	return slices.ContainsFunc(files, func(f File) bool { return f.UID == owner && strings.HasPrefix(f.Path, dir+"/") })
}
