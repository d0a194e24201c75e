#!/bin/sh
# warm.sh BUILDER MOUNTPOINT: what BUILDER publishes comes into the cache of the
# mount here, so that the next build finds it without a transfer.
ssh "$1" sstatefs events --types send "$2" | sstatefs fetch "$2" -
