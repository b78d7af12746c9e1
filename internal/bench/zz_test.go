package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestZZIdle(t *testing.T) {
	ctx := context.Background()
	d := t.TempDir()
	b := &bench{slipway: d + "/slipway", dir: d, turns: 1, log: os.Stderr}
	os.Chdir("../..")
	if os.Getenv("SLIP") != "" {
		exec.Command("cp", os.Getenv("SLIP"), b.slipway).Run()
		b.env = []string{"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1", "XDG_CACHE_HOME=" + b.dir}
	} else if err := b.prepare(ctx); err != nil {
		t.Fatal(err)
	}
	g, stop, err := b.newBotGitea(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s, err := b.startBot(ctx, b.dir+"/i", "sqlite:"+b.dir+"/i.db", g.forge())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		time.Sleep(8 * time.Second)
		out, _ := exec.Command("sh", "-c", fmt.Sprintf("grep -E 'VmRSS|RssAnon|RssFile|RssShmem' /proc/%d/status; curl -s http://%s/metrics | grep -E '^go_memstats_(heap_(alloc|inuse|idle|rel)|stack_inuse)'", s.pid, s.address)).CombinedOutput()
		fmt.Println(string(out))
	}
	out, _ := exec.Command("sh", "-c", fmt.Sprintf(`awk '/^[0-9a-f]+-[0-9a-f]+ /{r=$0} /^Rss:/{if($2>500)print $2,r}' /proc/%d/smaps | sort -rn | head -8`, s.pid)).CombinedOutput()
	fmt.Println(string(out))
	s.end()
}
