package rollout

import (
	"crypto/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Owner is a process that runs items.
type Owner struct {
	ID   string // of this process alone
	Host string // a running kernel's processes, in one namespace; empty when that is not known
	PID  int
	// Job is a hosted workflow's job; Attempt counts its reruns. A claim of an
	// earlier attempt is nobody's any more.
	Job     string
	Attempt int
}

// NewOwner is this process. getenv tells of the workflow that it runs in.
func NewOwner(getenv func(string) string) Owner {
	o := Owner{ID: rand.Text(), PID: os.Getpid()}
	if runtime.GOOS == "linux" {
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		space, err2 := os.Readlink("/proc/self/ns/pid")
		if err == nil && err2 == nil {
			o.Host = strings.TrimSpace(string(boot)) + " " + space
		}
	}
	if run := getenv("GITHUB_RUN_ID"); run != "" {
		o.Job = getenv("GITHUB_REPOSITORY") + " " + run + " " + getenv("GITHUB_JOB")
		o.Attempt, _ = strconv.Atoi(getenv("GITHUB_RUN_ATTEMPT"))
	}
	return o
}

func (o Owner) claim(since, until time.Time) Claim {
	return Claim{Owner: o.ID, Host: o.Host, PID: o.PID, Job: o.Job, Attempt: o.Attempt, Since: since, Until: until}
}

// counts says whether a claim keeps this process from an item now.
func (o Owner) counts(c Claim, now time.Time) bool {
	switch {
	case c.Owner == "" || c.Owner == o.ID:
		return false
	case c.Job != "" && c.Job == o.Job && c.Attempt < o.Attempt:
		return false
	case c.Host != "" && c.Host == o.Host && !alive(c.PID):
		return false
	}
	return now.Before(c.Until)
}

// alive says whether a process of this host runs. One that took the number of
// another that has ended is only waited for until the claim's time.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
