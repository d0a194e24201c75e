#!/bin/sh
# Installs what sstatefs needs beside Go.
#
#   deps.sh run       what a mount needs, from Debian
#   deps.sh packages  what the tests need too, from Debian
#   deps.sh test      and the servers of the tests that Debian lacks, built
#                     into ${SSTATEFS_TEST_BIN:-~/.cache/sstatefs-servers}
#   deps.sh bench     and what the benchmarks compare with; "packages bench" is
#                     the part of it that is from Debian
#
# root installs packages; an ordinary user is told the line to type. When
# nothing is missing it does nothing and is quick.
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
if [ "$1" != run ]; then
	need python3 /usr/bin/python3 # the tests do not use another one
	need gzip gzip
	need zstd pzstd
	need tar tar
	need attr setfattr
	need sqlite3 sqlite3
	need util-linux setpriv
	need procps ps
	need curl curl
	need gcc gcc                       # the race detector is linked with it
	need libc6-dev /usr/include/stdlib.h
	need apache2-bin /usr/sbin/apache2 # without the service of apache2
	need nginx /usr/sbin/nginx
	need libnginx-mod-http-dav-ext /usr/lib/nginx/modules/ngx_http_dav_ext_module.so
fi

case $* in
*bench) need s3fs s3fs ;;
esac

# Without udev /dev/fuse may have been made 0600; Debian's rule makes it 0666.
closed=
if [ -c /dev/fuse ] && [ "$(stat -c %a /dev/fuse)" = 600 ]; then
	closed=yes
fi

# An ordinary user has the packages installed by somebody else.
tell() {
	[ -n "$missing$closed" ] || return 0
	case $1 in
	run) what=run ;;
	bench) what="packages bench" ;;
	*) what=packages ;;
	esac
	echo "something is missing on this machine; type this line, then try again:" >&2
	echo "    sudo $(cd "$(dirname "$0")" && pwd)/deps.sh $what" >&2
	echo "It installs:${missing:- nothing}${closed:+; and sets /dev/fuse to 0666}" >&2
	exit 1
}

# The tests start servers of their own: a package of nginx must not start one
# for the whole machine, nor touch one that runs. A policy-rc.d that is there
# already stays; ours refuses nginx only and goes when we do.
policy=/usr/sbin/policy-rc.d
keep_nginx_down() {
	if [ ! -e $policy ]; then
		trap 'rm -f $policy' EXIT
		trap 'exit 1' INT TERM HUP
		printf '#!/bin/sh\n# of sstatefs, while it installs packages\ncase $1 in nginx*) exit 101 ;; esac\n' >$policy
		chmod 0755 $policy
	fi
}

install_packages() {
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "please install:$missing" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	echo "installing$missing" >&2
	case "$missing " in *nginx*) keep_nginx_down ;; esac
	# The lists of packages are fetched only when they turn out to be too old.
	# shellcheck disable=SC2086 # several packages
	apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
	case "$missing " in # not at the next boot either, unless it was here before
	*" nginx "*) update-rc.d nginx disable >/dev/null 2>&1 || echo "nginx may start at the next boot" >&2 ;;
	esac
}

if [ "$(id -u)" != 0 ]; then
	tell "$1"
elif [ -n "$missing" ]; then
	install_packages
fi
if [ -n "$closed" ] && [ "$(id -u)" = 0 ] && [ "$1" != run ]; then
	echo "setting /dev/fuse to 0666, as the udev rule of fuse3 does" >&2
	chmod 0666 /dev/fuse
fi
if [ "$1" = test ] || [ "$1" = bench ]; then
	exec "$(dirname "$0")/servers.sh"
fi
