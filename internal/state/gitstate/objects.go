package gitstate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway/internal/proc"
)

// objects reads a repository's objects by a git that stays: to start one takes
// longer than what it does.
type objects struct {
	git git

	mu      sync.Mutex
	process *proc.Process // nil when none runs
	in      *os.File
	out     *bufio.Reader
	outFile *os.File
	end     context.CancelFunc
}

// object is what git knows by a name; the zero value when it knows none.
type object struct {
	hash, kind string
	value      []byte // when it was asked for
}

// aFew names are asked for at once: answers wait in a pipe until they are read.
const aFew = 32

// info finds objects by their names. contents finds them with their values.
func (o *objects) info(names ...string) ([]object, error)     { return o.ask("info", names) }
func (o *objects) contents(names ...string) ([]object, error) { return o.ask("contents", names) }

func (o *objects) ask(command string, names []string) ([]object, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := make([]object, 0, len(names))
	for len(names) > 0 {
		n := min(len(names), aFew)
		some, err := o.askSome(command, names[:n])
		if err != nil {
			err = errors.Join(err, o.stop())
			return nil, fmt.Errorf("read git objects: %w", err)
		}
		found, names = append(found, some...), names[n:]
	}
	return found, nil
}

func (o *objects) askSome(command string, names []string) ([]object, error) {
	if err := o.start(); err != nil {
		return nil, err
	}
	var ask strings.Builder
	for _, name := range names {
		if strings.ContainsAny(name, "\n\x00") {
			return nil, fmt.Errorf("%q names no object", name)
		}
		ask.WriteString(command + " " + name + "\n")
	}
	if _, err := io.WriteString(o.in, ask.String()); err != nil {
		return nil, err
	}
	found := make([]object, len(names))
	for i := range names {
		var err error
		if found[i], err = o.answer(command == "contents"); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// answer reads "<hash> <kind> <size>", and the value when there is one, or
// "<name> missing".
func (o *objects) answer(contents bool) (object, error) {
	line, err := o.out.ReadString('\n')
	if err != nil {
		return object{}, err
	}
	line = strings.TrimSuffix(line, "\n")
	if strings.HasSuffix(line, " missing") || strings.HasSuffix(line, " ambiguous") {
		return object{}, nil
	}
	part := strings.Split(line, " ")
	if len(part) != 3 {
		return object{}, fmt.Errorf("git cat-file answers %q", line)
	}
	size, err := strconv.Atoi(part[2])
	if err != nil || size < 0 {
		return object{}, fmt.Errorf("git cat-file answers %q", line)
	}
	found := object{hash: part[0], kind: part[1]}
	if contents {
		found.value = make([]byte, size)
		if _, err := io.ReadFull(o.out, found.value); err != nil {
			return object{}, err
		}
		if _, err := o.out.Discard(1); err != nil {
			return object{}, err
		}
	}
	return found, nil
}

func (o *objects) start() error {
	if o.process != nil {
		return nil
	}
	stdin, in, err := os.Pipe()
	if err != nil {
		return err
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close(), in.Close())
	}
	c := o.git.command("cat-file", "--batch-command")
	c.Stdin, c.Stdout = stdin, stdout
	ctx, end := context.WithCancel(context.Background())
	process, err := proc.Start(ctx, c)
	err = errors.Join(o.git.readable(err), stdin.Close(), stdout.Close()) // it has its own
	if err != nil {
		end()
		return errors.Join(err, in.Close(), out.Close())
	}
	o.process, o.in, o.out, o.outFile, o.end = process, in, bufio.NewReader(out), out, end
	return nil
}

// stop ends the program, and says why it ended by itself when it did. The next
// question starts another.
func (o *objects) stop() error {
	if o.process == nil {
		return nil
	}
	closed := errors.Join(o.in.Close(), o.outFile.Close())
	err := o.process.Wait()
	o.end()
	o.process = nil
	return errors.Join(o.git.readable(err), closed)
}

func (o *objects) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.stop() // it has read what it was to read
}
