package buildkit

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"

	"github.com/slipway-dev/slipway/internal/image"
	"github.com/slipway-dev/slipway/internal/release"
)

// explainer turns BuildKit's errors into one that names what failed, where and
// what it said last. No secret of the request is in it.
type explainer struct {
	request Request
	mask    *strings.Replacer
}

var (
	pushFailed = regexp.MustCompile(`failed to push (\S+): (.*)`)
	baseFailed = regexp.MustCompile(`failed to resolve source metadata for (\S+): (.*)`)
	parseLine  = regexp.MustCompile(`^dockerfile parse error on line (\d+): `)
	badFile    = regexp.MustCompile(`^(?:target stage |the Dockerfile cannot be empty|dockerfile parse error)`)
	noPlatform = regexp.MustCompile(`no match for platform in manifest`)
	statusText = regexp.MustCompile(`\b(?:unexpected status|status code|response code)[^\n]*?\b([45]\d\d)\b`)
)

// err explains an error of buildx.
func (x explainer) err(err error, view *steps) error {
	text := x.clean(err.Error())
	if m := pushFailed.FindStringSubmatch(text); m != nil {
		return x.push(m[1], m[2])
	}
	if m := baseFailed.FindStringSubmatch(text); m != nil {
		return x.base(m[1], m[2], err)
	}
	var vertex *errdefs.VertexError
	if errors.As(err, &vertex) {
		return x.step(err, digest.Digest(vertex.Digest), text, view)
	}
	if errdefs.Sources(err) != nil || badFile.MatchString(text) {
		return x.dockerfile(err, text)
	}
	switch grpcerrors.Code(err) {
	case codes.Unavailable, codes.Canceled:
		return release.Failf("run it again: what was built is in the builder's cache", "%s: the connection to the builder broke off: %s", x.who(), text)
	}
	return release.Failf("", "%s: %s", x.who(), text)
}

// clean takes the words away that every layer of BuildKit puts before an
// error, and all secrets.
func (x explainer) clean(text string) string {
	text = x.mask.Replace(text)
	for {
		cut := text
		for _, prefix := range []string{"failed to solve: ", "rpc error: code = Unknown desc = ", "rpc error: code = InvalidArgument desc = ", "failed to build: ", "failed to run Build function: "} {
			cut = strings.TrimPrefix(cut, prefix)
		}
		if cut == text {
			return strings.TrimSpace(text)
		}
		text = cut
	}
}

// step explains an instruction that failed.
func (x explainer) step(err error, id digest.Digest, text string, view *steps) error {
	name, output := view.find(id)
	if said := x.said(output); said != "" {
		return release.Failf("", "%s: %s", x.who(), said)
	}
	var exit *gatewaypb.ExitError
	var b strings.Builder
	if errors.As(err, &exit) && x.request.Command != "" {
		fmt.Fprintf(&b, "%s: %s", x.who(), x.request.Command)
	} else {
		b.WriteString(x.instruction(err, x.mask.Replace(name)))
	}
	switch {
	case exit == nil:
		fmt.Fprintf(&b, ": %s", firstLine(lastPart(text)))
	case exit.ExitCode == gatewaypb.UnknownExitStatus:
		b.WriteString(" was killed")
	default:
		fmt.Fprintf(&b, " exited with %d", exit.ExitCode)
	}
	for _, l := range output {
		b.WriteString("\n  " + strings.TrimRight(x.mask.Replace(l), "\r"))
	}
	return release.Failf("", "%s", b.String())
}

// who is what the build was for, at the beginning of every error.
func (x explainer) who() string {
	if x.request.Command != "" {
		return x.request.Name
	}
	return "image " + x.request.Name
}

// instruction names the one that failed, with its platform and its place.
func (x explainer) instruction(err error, name string) string {
	where, line := x.place(err)
	var b strings.Builder
	b.WriteString(x.who())
	if p := x.platform(name); p != "" {
		fmt.Fprintf(&b, ", %s", p)
	}
	instruction := bare(line)
	if instruction == "" {
		if instruction = firstLine(name); strings.HasPrefix(instruction, "[") {
			_, instruction, _ = strings.Cut(instruction, "] ")
		}
	}
	if where != "" {
		fmt.Fprintf(&b, ": %s", where)
	}
	fmt.Fprintf(&b, ": `%s`", cutTo(x.mask.Replace(instruction), 200))
	return b.String()
}

// said gives what a step's last line says with ErrorMark before it.
func (x explainer) said(output []string) string {
	if len(output) == 0 || x.request.ErrorMark == "" {
		return ""
	}
	said, ok := strings.CutPrefix(output[len(output)-1], x.request.ErrorMark)
	if !ok {
		return ""
	}
	return x.mask.Replace(said)
}

// lastPart leaves of a failed step's error what comes after its name.
func lastPart(text string) string {
	for _, mark := range []string{"failed to calculate checksum of ref ", "process \""} {
		if i := strings.Index(text, mark); i >= 0 {
			text = text[i:]
			break
		}
	}
	if rest, ok := strings.CutPrefix(text, "failed to calculate checksum of ref "); ok {
		if _, cause, ok := strings.Cut(rest, ": "); ok {
			return cause // without a reference that tells nobody anything
		}
	}
	return text
}

func (x explainer) platform(step string) string {
	if p := stepPlatform(step); p != "" {
		return p
	}
	if len(x.request.Platforms) == 1 {
		return x.request.Platforms[0].String()
	}
	return ""
}

// place says where in the Dockerfile an error is, and gives its line, with those
// that continue it.
func (x explainer) place(err error) (where, line string) {
	n := 0
	for _, s := range errdefs.Sources(err) {
		for _, r := range s.Ranges {
			if n == 0 && r.Start.Line > 0 {
				n = int(r.Start.Line)
			}
		}
	}
	if n == 0 {
		return "", ""
	}
	return x.at(n)
}

func (x explainer) at(n int) (where, line string) {
	if lines := strings.Split(string(x.request.Dockerfile), "\n"); n >= 1 && n <= len(lines) {
		line = strings.TrimRight(lines[n-1], "\r")
		for next := n; strings.HasSuffix(line, "\\") && next < len(lines); next++ {
			line = strings.TrimSuffix(line, "\\") + strings.TrimRight(lines[next], "\r")
		}
	}
	if x.request.Path == "" {
		return fmt.Sprintf("line %d of the Dockerfile that Slipway made", n), line
	}
	return fmt.Sprintf("%s:%d", x.request.Path, n), line
}

// dockerfile explains a Dockerfile that can't be read.
func (x explainer) dockerfile(err error, text string) error {
	where, line := x.place(err)
	if m := parseLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if where == "" {
			n, _ := strconv.Atoi(m[1])
			where, line = x.at(n)
		}
	}
	text = firstLine(text)
	text = strings.TrimPrefix(text, "dockerfile parse error: ")
	if where == "" {
		where = "the Dockerfile that Slipway made"
		if x.request.Path != "" {
			where = x.request.Path
		}
	}
	message := fmt.Sprintf("%s: %s: %s", x.who(), where, text)
	if line != "" {
		message += "\n  " + x.mask.Replace(cutTo(line, 200))
	}
	return release.Invalidf("", "%s", message)
}

// base explains an image that the build starts from and can't have.
func (x explainer) base(ref, cause string, err error) error {
	ref = strings.TrimSuffix(ref, ":")
	begin := fmt.Sprintf("%s: its base image %s", x.who(), ref)
	if where, _ := x.place(err); x.request.Command != "" {
		begin = fmt.Sprintf("%s: the image %s", x.who(), ref)
	} else if where != "" {
		begin += " (" + where + ")"
	}
	switch {
	case noPlatform.MatchString(cause):
		return release.Invalidf("leave the platform out, or use another base image", "%s is not made for %s", begin, allOf(x.request.Platforms))
	case denied(cause):
		return &release.Error{Kind: release.Refused, Message: begin + " can't be read", Hint: "check the name, and log in with docker login " + hostOf(ref), Err: image.ErrUnauthorized}
	case strings.HasSuffix(cause, "not found"):
		return &release.Error{Kind: release.Invalid, Message: begin, Hint: "check the name and the tag", Err: image.ErrNotFound}
	}
	return release.Failf("run it again when the registry answers", "%s can't be read: %s", begin, cause)
}

// allOf names platforms of which not all are there; BuildKit does not say which
// one it is.
func allOf(ps []release.Platform) string {
	switch len(ps) {
	case 0:
		return "the builder's platform"
	case 1:
		return ps[0].String()
	}
	return "all of " + joinPlatforms(ps)
}

// push explains a registry that did not take the image.
func (x explainer) push(repository, cause string) error {
	repository, _, _ = strings.Cut(repository, "@")
	status := ""
	if m := statusText.FindStringSubmatch(cause); m != nil {
		status = m[1]
	}
	switch {
	case status == "403" || status == "405":
		return refusal(repository, image.ErrForbidden)
	case status == "401" || denied(cause):
		return refusal(repository, image.ErrUnauthorized)
	case status != "" && status < "429":
		return release.Failf("", "%s: the registry did not take the image: %s", repository, cause)
	}
	return &release.Error{
		Kind: release.Failed, Message: fmt.Sprintf("%s: the push broke off (%s)", repository, cause),
		Hint: "run it again when the registry answers: what was built is in the builder's cache", Err: image.ErrUnavailable,
	}
}

// denied tells words that registries and BuildKit have for "not logged in".
func denied(cause string) bool {
	for _, words := range []string{"authorization failed", "failed to authorize", "access denied", "401 Unauthorized", "insufficient_scope", "no basic auth credentials", "denied:"} {
		if strings.Contains(cause, words) {
			return true
		}
	}
	return false
}

// mayPassAgain says whether the same build may succeed in a moment.
func mayPassAgain(err error) bool { return errors.Is(err, image.ErrUnavailable) }
