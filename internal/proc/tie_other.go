//go:build !linux

package proc

import "syscall"

// tie does nothing: only Linux can have a program end with this process.
func tie(*syscall.SysProcAttr) {}
