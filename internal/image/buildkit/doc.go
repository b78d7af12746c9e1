// Package buildkit builds images with BuildKit, through docker's buildx as a
// library: it finds the builder, sends it a build, tells how it goes, and
// turns what went wrong into one readable error.
//
//	b, none, err := buildkit.Find(ctx, buildkit.Options{Flag: "ci"})
//	…
//	defer b.Close()
//	made, err := b.Build(ctx, buildkit.Request{Name: "hello", Dockerfile: text,
//		Context: dir, Platforms: platforms, PushTo: repositories, Epoch: commitTime})
//
// No docker and no buildx command is started for it, but by what an address
// asks for: docker-container:// runs docker, kube-pod:// runs kubectl, ssh://
// runs ssh.
package buildkit
