// Package registry keeps images in registries by the OCI distribution
// specification: credentials, pushes that survive cuts, tags, base images, and
// a registry in process for rehearsals.
//
// A Client implements image.Registry:
//
//	c := registry.New(registry.Options{Getenv: os.Getenv})
//	err := c.Push(ctx, "registry.example/acme/hello", index, stage)
//	err = c.Tag(ctx, "registry.example/acme/hello", "sha256:…", "1.2.3")
package registry
