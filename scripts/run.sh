#!/bin/sh
# Mounts REMOTE at MOUNTPOINT in the foreground: the way to try sstatefs.
set -eu
cd "$(dirname "$0")/.."

data=$HOME/.local/share/sstatefs
if [ -z "${REMOTE:-}" ]; then
	REMOTE=$data/remote
	mkdir -p "$REMOTE" # the only place where a remote is made: mount never does
fi
MOUNTPOINT=${MOUNTPOINT:-$data/mnt}
# A mount that a former run left dead exists and cannot be looked at; mount
# itself replaces it, and says what is wrong with anything else.
mkdir -p "$MOUNTPOINT" 2>/dev/null || true

echo "Ctrl-C unmounts."
exec ./bin/sstatefs mount "$REMOTE" "$MOUNTPOINT"
