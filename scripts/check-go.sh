#!/bin/sh
# Says whether the go command is new enough for the go line of go.mod.
set -eu
cd "$(dirname "$0")/.."

want=$(sed -n 's/^go \([0-9.]*\).*/\1/p' go.mod)
go=${GO:-go}
where="sstatefs needs Go $want or newer (the go line of go.mod), see https://go.dev/dl/"

if ! command -v "$go" >/dev/null 2>&1; then
	echo "no go command found: $where" >&2
	exit 1
fi
# In the module first: a Go that can fetch a newer one by itself will do.
have=$("$go" env GOVERSION 2>/dev/null) || have=$(cd / && "$go" env GOVERSION)
have=${have#go}
# "1.27-devel_abc" and "1.27rc1" count as 1.27
oldest=$(printf '%s\n' "$want" "${have%%[!0-9.]*}" | sort -V | head -n 1)
if [ "$oldest" != "$want" ]; then
	echo "Go $have is too old: $where" >&2
	echo "(golang-go of Debian 12 is 1.19)" >&2
	exit 1
fi
