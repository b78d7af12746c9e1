package main

import (
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/release"
)

func (a *app) imageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build an image of sources by hand",
		Long: `Build an image of sources: compiled and tested in a builder image, then put into a small
runtime image; or with a Source-to-Image builder image. The images of a release are made
by "slipway release", as the config's images say.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range []*cobra.Command{a.imageBuildCommand(), a.imageDockerfileCommand(), a.imageUsageCommand()} {
		c.RunE = a.beginning(c.RunE)
		cmd.AddCommand(c)
	}
	return cmd
}

// imageFlags are what the image commands take.
type imageFlags struct {
	source, name             string
	id                       string
	buildImage, runtimeImage string
	s2i, incremental         bool
	exclude                  string
	excludeGiven             bool
	toolchain                string
	workingTree, development bool
	envFiles, platforms      []string
	env                      map[string]string
	goModCache, cargoHome    string
	load, push, noCache      bool
	output                   string
	verbose                  bool
}

func (f *imageFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.id, "image", "", "take the settings of this image of the config (default: its only one of sources)")
	fs.StringVar(&f.buildImage, "build-image", "", "image to compile in; before SLIPWAY_BUILD_IMAGE and the config")
	fs.StringVar(&f.runtimeImage, "runtime-image", "", "image to run in; before SLIPWAY_RUNTIME_IMAGE and the config")
	fs.BoolVar(&f.s2i, "s2i", false, "the build image is a Source-to-Image builder (found by its label or by .s2i in the sources)")
	fs.BoolVar(&f.incremental, "incremental", false, "Source-to-Image: restore what save-artifacts keeps of the last image")
	fs.StringVar(&f.exclude, "exclude", release.DefaultExclude, "Source-to-Image: regular expression of paths to leave out; empty leaves nothing out")
	fs.StringVar(&f.toolchain, "toolchain", "", "version of the toolchain, such as stable or 1.26")
	fs.BoolVar(&f.workingTree, "working-tree", false, "build the folder as it is, not the committed HEAD")
	fs.BoolVar(&f.development, "development", false, "put environment files into the image")
	fs.StringSliceVar(&f.envFiles, "env-file", nil, "environment files, as paths or globs (default .env, .env.*)")
	fs.StringToStringVar(&f.env, "env", nil, "environment variables of the build, KEY=VALUE")
	fs.StringSliceVar(&f.platforms, "platform", nil, "platforms, such as linux/amd64,linux/arm64")
}

const imageSourceText = `SOURCE is a git address, with #branch, #tag, #commit or #ref:folder behind it, or a path on
this machine: the root of a repository or a folder inside. Of a path the committed HEAD is
built; --working-tree builds the folder as it is.`

func (a *app) imageBuildCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "build SOURCE [NAME]",
		Short: "Build an image of sources",
		Long: `Build an image of sources. The tests of the project run first, in the builder image; when
they fail there is no image. The image runs as a user without rights, and holds only what
the build made.

` + imageSourceText + `

NAME is the image's, registry.example/owner/name:tag. Without one it is <login>/<project>.
The docker engine gets the image itself; any other builder pushes it.`,
		Example: `  slipway image build . registry.example/me/hello:dev
  slipway image build https://git.example/me/hello.git#v1.2.3 registry.example/me/hello:1.2.3
  slipway image build . hello --build-image golang:1.26 --runtime-image alpine:3.22
  slipway image build . hello --s2i --build-image registry.example/s2i/go --incremental
  slipway image build . --development --working-tree --output hello.tar`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				if f.name != "" && f.name != args[1] {
					return errUsage("the name is given twice: %s, and --tag %s", args[1], f.name)
				}
				f.name = args[1]
			}
			f.source, f.excludeGiven = args[0], cmd.Flags().Changed("exclude")
			return a.imageBuild(cmd.Context(), f)
		},
	}
	f.add(cmd)
	a.builderFlag(cmd)
	a.jsonFlag(cmd, "the report")
	fs := cmd.Flags()
	fs.StringVarP(&f.name, "tag", "t", "", "name of the image, as NAME")
	fs.BoolVar(&f.load, "load", false, "put it into the docker engine")
	fs.BoolVar(&f.push, "push", false, "push it, also when the builder is the docker engine")
	fs.StringVarP(&f.output, "output", "o", "", "write it into this file, a tar with an OCI layout")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "show what the steps write, as a log that is no terminal always does")
	fs.BoolVar(&f.noCache, "no-cache", false, "make every step anew")
	fs.StringVar(&f.goModCache, "gomodcache", "", "seed the first build with this GOMODCACHE, so that it can be offline")
	fs.StringVar(&f.cargoHome, "cargo-home", "", "seed the first build with this CARGO_HOME, so that it can be offline")
	cmd.MarkFlagsMutuallyExclusive("load", "push", "output")
	return cmd
}

func (a *app) imageDockerfileCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "dockerfile SOURCE",
		Short: "Show the Dockerfile that would be built",
		Long: `Show the Dockerfile that "slipway image build" makes in memory for these sources. With
--output it is written to a file, which must not be there yet.

` + imageSourceText,
		Example: `  slipway image dockerfile .
  slipway image dockerfile . --output Dockerfile`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.source, f.name, f.excludeGiven = args[0], "image", cmd.Flags().Changed("exclude")
			return a.imageDockerfile(cmd.Context(), f)
		},
	}
	f.add(cmd)
	a.builderFlag(cmd)
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "write it into this file, which must not be there yet")
	return cmd
}

func (a *app) imageUsageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "usage BUILDER",
		Short:   "Show what a Source-to-Image builder image says of itself",
		Long:    `Run the usage script of a Source-to-Image builder image and print what it says.`,
		Example: `  slipway image usage registry.example/s2i/go`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.imageUsage(cmd.Context(), args[0]) },
	}
	a.builderFlag(cmd)
	return cmd
}

func (a *app) builderFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.builder, "builder", "", "builder of buildx, or an address such as unix:///run/buildkit/buildkitd.sock\n(default: the config's, BUILDX_BUILDER, docker's engine)")
}
