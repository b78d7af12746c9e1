package release

import "slices"

// WithDefaults fills in what needs no repository to be known: the builder,
// binary, main package and platforms of each build, the archive that holds all
// builds, each archive's builds, formats, name and files, and each image's builds
// or platforms. What is given stays, also where it is an empty list. The config
// itself is not changed.
func (c Config) WithDefaults() Config {
	c.Builds, c.Archives, c.Classes = slices.Clone(c.Builds), slices.Clone(c.Archives), slices.Clone(c.Classes)
	for i := range c.Builds {
		c.Builds[i] = c.Builds[i].withDefaults()
	}
	for i := range c.Classes {
		if c.Classes[i].Branch != "" {
			c.Classes[i].ReleaseTag = orDefault(c.Classes[i].ReleaseTag, DefaultReleaseTag)
		}
	}
	if c.Archives == nil && len(c.Builds) > 0 {
		c.Archives = []Archive{{}}
	}
	var ids []string
	for _, b := range c.Builds {
		ids = append(ids, b.ID)
	}
	for i := range c.Archives {
		c.Archives[i] = c.Archives[i].withDefaults(ids)
	}
	c.Packages = slices.Clone(c.Packages)
	for i := range c.Packages {
		c.Packages[i] = c.Packages[i].withDefaults(ids)
	}
	c.Images = slices.Clone(c.Images)
	for i := range c.Images {
		c.Images[i] = c.Images[i].withDefaults(ids)
	}
	return c
}

func (img Image) withDefaults(ids []string) Image {
	if img.Kind() == ImageOfBuilds {
		if img.Builds == nil {
			img.Builds = slices.Clip(ids)
		}
		return img
	}
	if img.Platforms == nil {
		img.Platforms = []string{"linux/amd64"}
	}
	return img
}

func (b Build) withDefaults() Build {
	b.Builder = orDefault(b.Builder, "go")
	b.Binary = orDefault(b.Binary, b.ID)
	if b.Builder == "go" {
		b.Main = orDefault(b.Main, ".")
	}
	if b.Platforms == nil {
		for _, p := range DefaultPlatforms {
			b.Platforms = append(b.Platforms, p.String())
		}
	}
	return b
}

func (a Archive) withDefaults(ids []string) Archive {
	if a.Builds == nil {
		a.Builds = slices.Clip(ids)
	}
	if a.Formats == nil {
		a.Formats = []string{"tar.gz"}
	}
	a.Name = orDefault(a.Name, DefaultArchiveName)
	if a.Files == nil {
		a.Files = []string{"LICENSE*", "README*"}
	}
	return a
}

func (p Package) withDefaults(ids []string) Package {
	if p.Builds == nil {
		p.Builds = slices.Clip(ids)
	}
	if p.Formats == nil {
		p.Formats = PackageFormats
	}
	p.File = orDefault(p.File, DefaultPackageFile)
	p.BinDir = orDefault(p.BinDir, DefaultBinDir)
	p.Section = orDefault(p.Section, DefaultSection)
	return p
}
