package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sstatefs/ctl"
)

func main() {
	if words := os.Getenv(lookoutVariable); words != "" {
		os.Exit(lookOut(words))
	}
	p := &program{stdout: os.Stdout, stderr: os.Stderr, host: ctl.ThisHost()}
	os.Exit(p.run(os.Args[1:]))
}

// program is one run of the command.
type program struct {
	stdout io.Writer
	stderr io.Writer
	host   ctl.Host
	json   bool // --json
}

// run does what the arguments say and returns the exit code.
func (p *program) run(args []string) int {
	err := p.execute(args)
	if err != nil {
		p.printError(err)
	}
	return exitCode(err)
}

// execute finds the command and runs it. Scripts ask for the version often, and
// to build all commands takes as long again as to start an empty program.
func (p *program) execute(args []string) error {
	if len(args) == 1 && args[0] == "version" {
		return p.printVersion()
	}
	root := p.rootCommand()
	root.SetArgs(args)
	return root.Execute()
}

// interruptible is a context that a first SIGINT or SIGTERM ends; a second
// one ends the program. The mount has its own way with signals.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
