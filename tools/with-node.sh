#!/bin/sh
# Runs a TypeScript tool with the project's own Node, from any machine with Node 18 and npm:
#   sh tools/with-node.sh [--debian 'PACKAGE:COMMAND …'] FILE [ARGUMENT…]
# --debian names packages whose commands the tool calls; as root, missing ones are installed.
root=$(CDPATH='' cd -P -- "${0%/*}/.." && pwd) || exit 1
. "$root/tools/setup.sh"
PATH=$PATH:/usr/sbin:/sbin
if [ "$1" = --debian ]; then
  # Split into words on purpose.
  # shellcheck disable=SC2086
  debian_packages $2
  shift 2
fi
set_up dev
cd "$root" || exit 1
exec "$node" --disable-warning=ExperimentalWarning "$@"
