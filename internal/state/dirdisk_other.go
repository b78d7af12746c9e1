//go:build !linux

package state

import (
	"errors"
	"os"
	"sync"
)

// syncAll can't be asked for here.
func syncAll(*os.File) error { return errors.ErrUnsupported }

// bootID is not known here: each process takes the machine for started anew.
var bootID = sync.OnceValue(unknownBoot)

// exchange can't be asked for here.
func exchange(string, string) error { return errors.ErrUnsupported }
