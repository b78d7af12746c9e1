package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ociremote "github.com/google/go-containerregistry/pkg/v1/remote"
)

// peek is a program for scripts that looks at an image in a registry, for
// linux/amd64, by other ways than slipway's:
//
//	peek config REF        prints the image's config as JSON
//	peek ls REF            lists its files
//	peek cat REF PATH      prints a file of it
//	peek run REF [ARG…]    runs it: its files are the root, its user, its
//	                       environment and its command hold
//
// It returns the exit code.
func peek() int {
	code, err := peekAt(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "peek:", err)
		return 1
	}
	return code
}

func peekAt(args []string) (code int, err error) {
	if len(args) < 2 {
		return 0, errors.New("usage: peek config|ls|cat|run REF …")
	}
	ref, err := name.ParseReference(args[1], name.Insecure)
	if err != nil {
		return 0, err
	}
	img, err := ociremote.Image(ref, ociremote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
	if err != nil {
		return 0, err
	}
	switch args[0] {
	case "config":
		c, err := img.ConfigFile()
		if err != nil {
			return 0, err
		}
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", " ")
		return 0, enc.Encode(c.Config)
	case "ls":
		return 0, peekList(img)
	case "cat":
		return 0, peekCat(img, args[2])
	case "run":
		return peekRun(img, args[2:])
	}
	return 0, fmt.Errorf("there is no %s", args[0])
}

func peekList(img v1.Image) error {
	files := mutate.Extract(img)
	defer files.Close()
	for tr := tar.NewReader(files); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s /%s\n", h.FileInfo().Mode(), strings.Trim(path.Clean(h.Name), "./"))
	}
}

// peekCat looks into the layers from the top, and no deeper than it has to.
func peekCat(img v1.Image, file string) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range slices.Backward(layers) {
		r, err := l.Uncompressed()
		if err != nil {
			return err
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if path.Clean("/"+h.Name) == file {
				_, err = io.Copy(os.Stdout, tr)
				return errors.Join(err, r.Close())
			}
		}
		_ = r.Close() // it was read to its end
	}
	return fmt.Errorf("there is no %s in the image", file)
}

func peekRun(img v1.Image, args []string) (code int, err error) {
	c, err := img.ConfigFile()
	if err != nil {
		return 0, err
	}
	root, err := os.MkdirTemp("", "peek-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if err := os.Chmod(root, 0o755); err != nil {
		return 0, err
	}
	files := mutate.Extract(img)
	defer files.Close()
	unpack := exec.Command("tar", "--extract", "--same-owner", "--directory="+root)
	unpack.Stdin, unpack.Stderr = files, os.Stderr
	if err := unpack.Run(); err != nil {
		return 0, err
	}
	who, err := credential(c.Config.User)
	if err != nil {
		return 0, err
	}
	if len(args) == 0 {
		args = c.Config.Cmd
	}
	args = append(slices.Clone(c.Config.Entrypoint), args...)
	cmd := exec.Cmd{Path: args[0], Args: args, Env: c.Config.Env, Dir: path.Join("/", c.Config.WorkingDir),
		Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: &syscall.SysProcAttr{Chroot: root, Credential: who}}
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	} else if err != nil {
		return 0, err
	}
	return 0, nil
}

// credential is a user in numbers, UID or UID:GID.
func credential(user string) (*syscall.Credential, error) {
	uid, gid, ok := strings.Cut(user, ":")
	if !ok {
		gid = "0"
	}
	u, err1 := strconv.ParseUint("0"+uid, 10, 32)
	g, err2 := strconv.ParseUint(gid, 10, 32)
	return &syscall.Credential{Uid: uint32(u), Gid: uint32(g)}, errors.Join(err1, err2)
}
