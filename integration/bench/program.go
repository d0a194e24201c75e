package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// starts is how often the programs are started.
const starts = 25

// runProgram measures the program itself: how it starts, what an idle mount
// has in memory, how large it is.
func runProgram(ctx context.Context, o options, dir string) error {
	if !o.wants("program") {
		return nil
	}
	fmt.Fprintf(o.out, "\nthe program itself\n\n")
	empty, err := buildEmpty(ctx, dir)
	if err != nil {
		return err
	}
	took := samples{}
	args := map[string][]string{"an empty program": {empty}, "sstatefs": {o.binary, "version"}}
	order := []string{"an empty program", "sstatefs"}
	for range starts {
		slices.Reverse(order)
		for _, name := range order {
			begun := time.Now()
			if err := exec.CommandContext(ctx, args[name][0], args[name][1:]...).Run(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			took[name] = append(took[name], time.Since(begun))
		}
	}
	all := took.ratios("sstatefs", "an empty program")
	figure{"sstatefs version, to an empty Go program", took.ratio("sstatefs", "an empty program") + ", " + took.median("sstatefs", seconds),
		"within 3", all[len(all)/2] <= 3}.print(o.out)
	if err := idle(ctx, o, dir); err != nil {
		return err
	}
	fi, err := os.Stat(o.binary)
	if err != nil {
		return err
	}
	figure{name: "size of the program", value: mebibytes(fi.Size())}.print(o.out)
	return nil
}

// buildEmpty builds a program that does nothing.
func buildEmpty(ctx context.Context, dir string) (string, error) {
	program, source := filepath.Join(dir, "empty"), filepath.Join(dir, "empty.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o666); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// idle is the memory of a mount that has nothing to do.
func idle(ctx context.Context, o options, dir string) error {
	l := &local{o: o, dir: filepath.Join(dir, "idle"), places: map[string]*place{}}
	if err := os.Mkdir(l.dir, 0o777); err != nil {
		return err
	}
	defer l.close()
	p, err := l.place(ctx, indexed)
	if err != nil {
		return err
	}
	if err := pause(ctx, o.settle()); err != nil {
		return err
	}
	rss, err := p.run.memory()
	figure{fmt.Sprintf("memory of an idle mount after %v", o.settle()), mebibytes(rss), "25 MB", rss <= idleMemory}.print(o.out)
	return err
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
