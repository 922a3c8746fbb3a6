#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The newest Pebble that Debian has (sid's), beside the system's own: sh tests/pebble-newest.sh [DIR]
# Unpacks it into DIR (build/pebble-newest) unless it is there, and prints the directory of pebble and pebble-challtestsrv.
# It needs nothing but a C library as old as Debian 12's. The system's package sources, lists and packages stay as they are: the
# mirror is the one the system uses, the lists are private.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export PATH LC_ALL

here=$(cd "$(dirname "$0")" && pwd)
. "$here/mirrors.sh"

cache=${1:-$here/../build/pebble-newest}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
bin=$cache/bin

# Several test workers may ask at once.
exec 9>"$cache/lock"
flock 9
if [ -x "$bin/pebble" ] && [ -x "$bin/pebble-challtestsrv" ]; then
  echo "$bin"
  exit 0
fi

apt=$cache/apt
log=$cache/log
: >"$log"

fail() {
  echo "The newest Pebble of Debian (sid) could not be fetched, and tests need it: $1. The whole story: $log" >&2
  exit 1
}

private_apt() {
  # A mirror may be a snapshot of months ago: its signature counts, its age does not.
  apt-get -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
    -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root -o Acquire::Retries=2 "$@" >>"$log" 2>&1 </dev/null
}

# fetch MIRROR: sid's Pebble from there.
fetch() {
  rm -rf "$apt" "$cache/tree"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  signed=
  for keyring in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
    if [ -e "$keyring" ]; then signed="[signed-by=$keyring] "; break; fi
  done
  echo "deb $signed$1 sid main" >"$apt/sources.list"
  private_apt update || return 1
  (cd "$apt" && private_apt download pebble/sid) || return 1
  dpkg-deb -x "$apt"/pebble_*.deb "$cache/tree" >>"$log" 2>&1 || return 1
  if "$cache/tree/usr/bin/pebble" -version >>"$log" 2>&1; then return 0; fi
  echo 'E: it does not run on this system' >>"$log"
  return 1
}

mirrors=$(debian_mirrors "$cache/system-lists" "$log")
[ -n "$mirrors" ] || fail "the system's package sources name no Debian mirror that answers"

for mirror in $mirrors; do
  echo "from $mirror" >>"$log"
  if fetch "$mirror"; then
    mv "$cache/tree/usr/bin" "$bin"
    rm -rf "$apt" "$cache/tree"
    echo "$bin"
    exit 0
  fi
done
rm -rf "$apt" "$cache/tree"
fail "$(grep '^E:' "$log" | tail -n 1 | sed 's#[a-z]*://[^ ]*#the mirror#g')"
