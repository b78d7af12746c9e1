package proc

import "syscall"

// tie has the kernel kill the program when this process is gone.
func tie(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
