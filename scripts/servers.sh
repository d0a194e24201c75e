#!/bin/sh
# Builds the servers of the tests that Debian lacks, of pinned versions, into
# ${SSTATEFS_TEST_BIN:-~/.cache/sstatefs-servers}. One that is there and has the
# right version stays: every Go program tells its own.
set -eu

bin=${SSTATEFS_TEST_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/sstatefs-servers}
go=${GO:-go}

# is_there NAME MODULE VERSION
is_there() {
	[ -x "$bin/$1" ] && (cd / && "$go" version -m "$bin/$1" 2>/dev/null) |
		awk -v m="$2" -v v="$3" '$1 == "mod" && $2 == m && $3 == v { found = 1 } END { exit !found }'
}

# build NAME MODULE PACKAGE VERSION TIME: under a lock, so that two runs do not
# do the same work, and into a folder of its own, so that a server appears whole
# and one that runs is not written to.
build() {
	is_there "$1" "$2" "$4" && return
	"$(dirname "$0")/check-go.sh"
	mkdir -p "$bin"
	(
		flock 9
		is_there "$1" "$2" "$4" && exit
		echo "building $1 $4, takes about $5" >&2
		new=$(mktemp -d "$bin/.build-XXXXXX")
		trap 'rm -rf "$new"' EXIT
		trap 'exit 1' INT TERM HUP
		cd / # outside of any module: no go.mod is read or changed
		GOBIN=$new GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0 \
			"$go" install -trimpath -ldflags '-s -w' "$3@$4" 9<&- ||
			{ echo "building $1 failed; again: make deps" >&2; exit 1; }
		mv -f "$new/$1" "$bin/$1"
	) 9<"$bin"
}

# Times are of two CPUs with nothing cached.
build versitygw github.com/versity/versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0 "2 minutes"
build minio github.com/minio/minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c "3 minutes"
build rclone github.com/rclone/rclone github.com/rclone/rclone v1.75.1 "4 minutes"
