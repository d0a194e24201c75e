#!/bin/sh
# tell-failures.sh MOUNTPOINT COMMAND...: runs COMMAND with a message on its
# stdin when publishes cannot be sent, because the remote is away or refuses
# them, and again only after something was sent.
mountpoint=$1
shift
told=
sstatefs events --types remote,warning,send "$mountpoint" | while IFS= read -r event; do
    case $event in
    *'"event":"send"'*) told= ;;
    *'"state":"offline"'*|*'"message":"not sent'*)
        test -n "$told" || printf '%s\n' "$mountpoint: $event" | "$@"
        told=yes ;;
    esac
done
