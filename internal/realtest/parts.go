package realtest

import (
	"os"
	"path/filepath"
	"testing"
)

// The versions that the tests run against. To move one, change it here and,
// for a Go program, in parts/NAME/go.mod.
const (
	giteaVersion     = "1.27.3"
	runnerVersion    = "1.0.8"
	actVersion       = "0.2.89"
	buildkitVersion  = "0.33.1"
	buildxVersion    = "0.37.2"
	baseImageVersion = "1"
	toolchainVersion = "1"
	linterVersion    = "2.15.0"
	openAPIVersion   = "23.0.2"
	fixturesVersion  = "23.1.2"
	webhooksVersion  = "7.6.1"
	s3Version        = "1.8.0"
)

func giteaPart() Part {
	return goTool{
		folder:  "gitea",
		pkg:     "gitea.dev",
		bin:     "gitea",
		ldflags: "-s -w -X main.Version=" + giteaVersion,
		static:  []string{"templates", "options", "public"},
	}.part("gitea", giteaVersion)
}

func runnerPart() Part {
	return goTool{
		folder:  "runner",
		pkg:     "gitea.com/gitea/runner",
		bin:     "runner",
		ldflags: "-s -w",
	}.part("gitea-runner", runnerVersion)
}

func actPart() Part {
	return goTool{
		folder:  "act",
		pkg:     "github.com/nektos/act",
		bin:     "act",
		ldflags: "-s -w",
	}.part("act", actVersion)
}

// Act returns the path of act, which carries out GitHub's workflow files on
// this machine's dockerd (Docker).
func Act(t testing.TB) string {
	t.Helper()
	return filepath.Join(need(t, actPart()), "act")
}

func buildkitdPart() Part {
	return goTool{
		folder:  "buildkit",
		pkg:     "github.com/moby/buildkit/cmd/buildkitd",
		bin:     "buildkitd",
		ldflags: "-s -w",
	}.part("buildkitd", buildkitVersion)
}

func buildxPart() Part {
	return goTool{
		folder:  "buildkit",
		pkg:     "github.com/docker/buildx/cmd/buildx",
		bin:     "buildx",
		ldflags: "-s -w",
	}.part("buildx", buildxVersion)
}

func s3Part() Part {
	return goTool{
		folder:  "s3",
		pkg:     "github.com/versity/versitygw/cmd/versitygw",
		bin:     "versitygw",
		ldflags: "-s -w",
	}.part("versitygw", s3Version)
}

func linterPart() Part {
	return goTool{
		folder:  "golangci-lint",
		pkg:     "github.com/golangci/golangci-lint/v2/cmd/golangci-lint",
		bin:     "golangci-lint",
		ldflags: "-s -w",
	}.part("golangci-lint", linterVersion)
}

func openAPIPart() Part {
	return npmPackage{
		name:      "@octokit/openapi",
		integrity: "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
		keep:      []string{"LICENSE", "package.json", "generated/api.github.com.json"},
	}.part("octokit-openapi", openAPIVersion)
}

func fixturesPart() Part {
	return npmPackage{
		name:      "@octokit/fixtures",
		integrity: "sha512-niG+SVffZ/xzojT3CE6M7DlqX7H9aQ75A6Xxjt4N47CkqssKXpSy2k6+Tj5ntcI5uWW2D9POzKxwJDmBfR+sJw==",
		keep:      []string{"LICENSE.md", "package.json", "scenarios"},
	}.part("octokit-fixtures", fixturesVersion)
}

func webhooksPart() Part {
	return npmPackage{
		name:      "@octokit/webhooks-examples",
		integrity: "sha512-De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==",
		keep:      []string{"README.md", "package.json", "api.github.com", "ghes-35"},
	}.part("octokit-webhooks-examples", webhooksVersion)
}

// NamedPart is a part and the variable by which scripts and tests learn where
// it lies.
type NamedPart struct {
	Part
	Env  string
	Path string // within the part's directory
}

// Parts lists all parts, the slow ones first.
func Parts() []NamedPart {
	return []NamedPart{
		{giteaPart(), "SLIPWAY_GITEA", "gitea"},
		{buildkitdPart(), "SLIPWAY_BUILDKITD", "buildkitd"},
		{runnerPart(), "SLIPWAY_GITEA_RUNNER", "runner"},
		{actPart(), "SLIPWAY_ACT", "act"},
		{buildxPart(), "SLIPWAY_BUILDX_COMMAND", "buildx"},
		{s3Part(), "SLIPWAY_VERSITYGW", "versitygw"},
		{toolchainPart(), "SLIPWAY_TOOLCHAIN_IMAGE", ""},
		{baseImagePart(), "SLIPWAY_BASE_IMAGE", ""},
		{actionImagePart(), "SLIPWAY_ACTION_IMAGE", ""},
		{linterPart(), "SLIPWAY_GOLANGCI_LINT", "golangci-lint"},
		{openAPIPart(), "SLIPWAY_OCTOKIT_OPENAPI", ""},
		{fixturesPart(), "SLIPWAY_OCTOKIT_FIXTURES", ""},
		{webhooksPart(), "SLIPWAY_OCTOKIT_WEBHOOKS", ""},
	}
}

// GitHubOpenAPI returns the path of GitHub's published API description
// (OpenAPI 3, JSON, 13 MB).
func GitHubOpenAPI(t testing.TB) string {
	t.Helper()
	return filepath.Join(packageDir(t, "SLIPWAY_OCTOKIT_OPENAPI", openAPIPart()), "generated", "api.github.com.json")
}

// GitHubFixtures returns the folder of recorded exchanges with GitHub: a folder
// a scenario, with normalized-fixture.json in it.
func GitHubFixtures(t testing.TB) string {
	t.Helper()
	return filepath.Join(packageDir(t, "SLIPWAY_OCTOKIT_FIXTURES", fixturesPart()), "scenarios", "api.github.com")
}

// GitHubWebhooks returns the folder of GitHub's webhook examples: a folder a
// server (api.github.com, ghes-35), with index.json in it, a list of
// {"name": event, "examples": [body, …]}.
func GitHubWebhooks(t testing.TB) string {
	t.Helper()
	return packageDir(t, "SLIPWAY_OCTOKIT_WEBHOOKS", webhooksPart())
}

func packageDir(t testing.TB, env string, p Part) string {
	t.Helper()
	if dir := os.Getenv(env); dir != "" {
		return dir
	}
	return need(t, p)
}
