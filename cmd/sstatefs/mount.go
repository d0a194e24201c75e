package main

import (
	"time"

	"github.com/spf13/cobra"

	"sstatefs/remote"
	"sstatefs/store"
)

const mountText = `mount makes REMOTE appear at MOUNTPOINT, an existing directory, and serves it
until it is unmounted. Set SSTATE_DIR to MOUNTPOINT in local.conf.

REMOTE is one of
  /dir, file:///dir       a directory (an NFS directory too)
  s3://bucket[/prefix]    a bucket; ?endpoint=URL for a server that is not AWS's,
                          ?region=, ?path_style=true and ?profile= as it needs.
                          Credentials come from where the AWS tools have them.
  https://host/path       a WebDAV folder, or the folder of a plain web server,
  http://host/path        which is read only. The user is in the URL (USER@host),
                          the password in --password-file, or both in ~/.netrc.

It runs in the foreground and ends with SIGINT or SIGTERM: what is not sent yet
is sent for --drain-timeout, then the mount goes. A second signal ends the
sending; what is left stays in the cache directory and is sent by the next
mount of it. With --daemon the command returns when the mount answers, and the
log goes to the file log in the cache directory.`

const mountExample = `  sstatefs mount /nfs/sstate /srv/sstate
  sstatefs mount --daemon --cache-size 100G file:///nfs/sstate /srv/sstate
  sstatefs mount 's3://sstate/main?region=eu-central-1' /srv/sstate
  sstatefs mount 's3://sstate?endpoint=https://minio.example:9000&path_style=true' /srv/sstate
  sstatefs mount --clean-every 24h --clean-max-age 30d /nfs/sstate /srv/sstate
  sstatefs mount --password-file ~/.sstate-password https://ci@dav.example/sstate /srv/sstate`

// mountFlags are the flags of mount.
type mountFlags struct {
	accessFlags

	cacheDir       string
	cacheSize      sizeValue
	minFree        freeValue
	queueSize      sizeValue
	publish        *choiceValue
	publishTimeout ageValue
	durability     *choiceValue
	refresh        ageValue
	feed           bool
	relist         ageValue
	touchInterval  ageValue
	unlink         *choiceValue
	readOnly       bool
	drainTimeout   ageValue
	jobs           int
	allowOther     bool
	daemon         bool
	controlSocket  string
	regular        regularFlags
	logLevel       *choiceValue
	logFormat      *choiceValue
}

func (p *program) mountCommand() *cobra.Command {
	var flags mountFlags
	cmd := &cobra.Command{
		Use:               "mount [flags] REMOTE MOUNTPOINT",
		Short:             "mount a remote as a local directory",
		Long:              mountText,
		Example:           mountExample,
		Args:              wantArgs("REMOTE", "MOUNTPOINT"),
		ValidArgsFunction: folders,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.jobs < 1 {
				return usage(helpOf(cmd), "mount: --jobs %d: must be at least 1", flags.jobs)
			}
			if err := flags.regular.check(&flags); err != nil {
				return err
			}
			return p.mount(cmd.Context(), &flags, args[0], args[1])
		},
	}
	flags.add(cmd)
	return cmd
}

// add declares the flags with their defaults.
func (f *mountFlags) add(cmd *cobra.Command) {
	f.cacheSize, f.queueSize = 20<<30, 4<<30
	f.minFree = freeValue{part: 0.05, text: "5%"}
	f.publishTimeout = ageValue{d: 30 * time.Second}
	f.refresh = ageValue{d: 60 * time.Second, min: time.Second}
	f.relist = ageValue{d: 24 * time.Hour, min: time.Minute}
	f.touchInterval = ageValue{d: 24 * time.Hour}
	f.drainTimeout = ageValue{d: 5 * time.Minute}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&f.cacheDir, "cache-dir", "", "where this mount keeps its files (default $XDG_CACHE_HOME/sstatefs/<remote>)")
	set.Var(&f.cacheSize, "cache-size", "bytes of objects to keep here, beyond them the longest unused go")
	set.Var(&f.minFree, "min-free", "space to keep free on the disk of the cache")
	set.Var(&f.queueSize, "queue-size", "bytes that may wait to be sent, beyond them archives are not taken")
	f.publish = choice(cmd, "publish", "answer a publish when the remote has it, or when it is queued", "through", "queue")
	set.Var(&f.publishTimeout, "publish-timeout", "longest wait of publishes for the remote, once per outage")
	f.durability = choice(cmd, "durability", "what is synced to disk before a publish is answered", "none", "data")
	set.Var(&f.refresh, "refresh", "age at which what is known of the remote is listed again")
	set.BoolVar(&f.feed, "feed", false, "tell other mounts of changes and hear of theirs instead of listing; all hosts of a site must agree")
	set.Var(&f.relist, "relist", "with --feed, age of the last listing of everything at which the next is made")
	set.Var(&f.touchInterval, "touch-interval", "age of the remote's time at which a use is sent")
	f.unlink = choice(cmd, "unlink", "what rm of a shared object does", "remote", "local", "refuse")
	set.BoolVar(&f.readOnly, "read-only", false, "send nothing: what is published and removed stays here")
	set.Var(&f.drainTimeout, "drain-timeout", "longest wait for what is not sent when the mount ends")
	set.IntVar(&f.jobs, "jobs", 16, "transfers at a time")
	set.BoolVar(&f.allowOther, "allow-other", false, "let other users use the mount")
	set.BoolVar(&f.daemon, "daemon", false, "return when the mount answers and serve it in the background")
	set.StringVar(&f.controlSocket, "control-socket", "", "where status, unmount and the others talk to the mount (default below $XDG_RUNTIME_DIR)")
	f.regular.add(cmd)
	f.accessFlags.add(cmd)
	f.logLevel = choice(cmd, "log-level", "what to log", "info", "debug", "warn", "error")
	f.logFormat = choice(cmd, "log-format", "how to log", "text", "json")
	// They fail for a flag that does not exist only.
	_ = cmd.MarkFlagDirname("cache-dir")
	_ = cmd.MarkFlagFilename("control-socket")
}

// storeOptions are the flags as a store takes them, remote and logger not
// included.
func (f *mountFlags) storeOptions(plan mountPlan) (store.Options, error) {
	free, err := f.minFree.partOf(plan.cacheDir)
	if err != nil {
		return store.Options{}, err
	}
	return store.Options{
		Dir:            plan.cacheDir,
		Owner:          plan.mountpoint,
		CacheSize:      int64(f.cacheSize),
		MinFree:        max(free, tiny),
		QueueSize:      int64(f.queueSize),
		Publish:        store.PublishMode(f.publish.word),
		PublishTimeout: nonzero(f.publishTimeout.d),
		Durability:     store.Durability(f.durability.word),
		Refresh:        f.refresh.d,
		Feed:           f.feed,
		Relist:         f.relist.d,
		TouchInterval:  nonzero(f.touchInterval.d),
		Unlink:         store.UnlinkPolicy(f.unlink.word),
		ReadOnly:       f.readOnly,
		Jobs:           f.jobs,
		SharedMount:    f.allowOther,
		Now:            utcNow,
		Guard:          remote.GuardOptions{Now: utcNow},
	}, nil
}

// utcNow is the clock of a mount: scripts read its times.
func utcNow() time.Time { return time.Now().UTC() }

// tiny is no free space at all: the zero value of an option is its default.
const tiny = 1e-15

// nonzero gives the shortest duration for 0s, because the zero value of an
// option is its default.
func nonzero(d time.Duration) time.Duration { return max(d, 1) }
