#!/bin/sh
# Installs what sstatefs needs beside Go, from the packages of Debian.
#
#   deps.sh run    what a mount needs
#   deps.sh test   what the tests need too
#
# root installs; an ordinary user is told the line to type. When nothing is
# missing it does nothing and is quick.
set -eu

missing=
need() { # need PACKAGE COMMAND-OR-FILE
	case $2 in
	/*) [ -e "$2" ] && return ;;
	*) command -v "$2" >/dev/null 2>&1 && return ;;
	esac
	missing="$missing $1"
}

need fuse3 fusermount3
if [ "$1" = test ]; then
	need python3 /usr/bin/python3 # the tests do not use another one
	need gzip gzip
	need zstd pzstd
	need tar tar
	need attr setfattr
	need sqlite3 sqlite3
	need util-linux setpriv
	need procps ps
	need gcc gcc                       # the race detector is linked with it
	need libc6-dev /usr/include/stdlib.h
fi

# Without udev /dev/fuse may have been made 0600; Debian's rule makes it 0666.
closed=
if [ -c /dev/fuse ] && [ "$(stat -c %a /dev/fuse)" = 600 ]; then
	closed=yes
fi

if [ "$(id -u)" != 0 ]; then
	steps=
	if [ -n "$missing" ]; then
		steps="apt-get update && apt-get install -y$missing"
	fi
	if [ -n "$closed" ]; then
		steps="${steps:+$steps && }chmod 0666 /dev/fuse"
	fi
	case $steps in
	'') exit 0 ;;
	*'&&'*) steps="sh -c '$steps'" ;;
	esac
	echo "something is missing on this machine; type this line, then try again:" >&2
	echo "    sudo $steps" >&2
	exit 1
fi

if [ -n "$missing" ]; then
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "please install:$missing" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	echo "installing$missing" >&2
	# The lists of packages are fetched only when they turn out to be too old.
	# shellcheck disable=SC2086 # several packages
	apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
fi
if [ -n "$closed" ] && [ "$1" = test ]; then
	echo "setting /dev/fuse to 0666, as the udev rule of fuse3 does" >&2
	chmod 0666 /dev/fuse
fi
