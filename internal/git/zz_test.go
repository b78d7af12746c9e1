package git_test
import ("testing";"os";"time";"syscall";"fmt";"github.com/slipway-dev/slipway/internal/git/gittest")
func TestZZ(t *testing.T){
 for _,lv := range []string{"-1","1","0"} {
 os.Setenv("GIT_CONFIG_COUNT","1"); 
 os.Setenv("GIT_CONFIG_KEY_0","core.compression"); os.Setenv("GIT_CONFIG_VALUE_0",lv)
 var a,b syscall.Rusage
 syscall.Getrusage(syscall.RUSAGE_CHILDREN,&a); n:=time.Now()
 gittest.Generate(t.Context(), t.TempDir()+"/x", gittest.Spec{Commits:100000,Tags:500,Authors:300})
 syscall.Getrusage(syscall.RUSAGE_CHILDREN,&b)
 fmt.Println(lv, time.Since(n), b.Utime.Sec-a.Utime.Sec, b.Stime.Sec-a.Stime.Sec)
 }
}
