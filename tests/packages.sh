#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that a build, the quickstart or the tests need: sh tests/packages.sh build|quickstart|test|machine|bench
# Debian 12 and 13, as root. Nothing that runs is touched: missing packages only, and no service is started.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

build='g++ meson ninja-build pkgconf cmake python3 libcurl4-openssl-dev libssl-dev libldns-dev libidn2-dev libpsl-dev nlohmann-json3-dev
  libtomlplusplus-dev libspdlog-dev libcli11-dev libexpected-dev libhowardhinnant-date-dev doctest-dev'
run='ca-certificates tzdata openssl curl openssh-client openssh-server nginx pebble procps'
tests='sudo strace knot knot-dnsutils unbound dehydrated busybox iproute2 python3-pytest python3-pytest-xdist python3-jsonschema python3-prometheus-client
  shellcheck clang-19 clang-format-19 clang-tidy-19 pdns-server pdns-backend-sqlite3 sqlite3 faketime caddy systemd groff-base'
machine='qemu-system-x86 debootstrap e2fsprogs'
bench='lego certbot'

case ${1-} in
  build) wanted=$build ;;
  quickstart) wanted="$build $run" ;;
  test) wanted="$build $run $tests" ;;
  machine) wanted="$build $run $tests $machine" ;;
  bench) wanted="$build $run $tests $bench" ;;
  *) echo 'usage: sh tests/packages.sh build|quickstart|test|machine|bench' >&2; exit 2 ;;
esac

missing=
for package in $wanted; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "These packages are missing and only root can install them:$missing" >&2
  exit 1
fi

# The answer "101" to every question refuses service starts. An administrator's own policy stays in force.
policy=/usr/sbin/policy-rc.d
remark='renewd: no service starts while packages are installed'
if [ ! -e "$policy" ] || grep -q "$remark" "$policy"; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  printf '#!/bin/sh\n# %s\nexit 101\n' "$remark" >"$policy"
  chmod 755 "$policy"
fi

DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
export DEBIAN_FRONTEND NEEDRESTART_SUSPEND
apt() { apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }

apt update || { sleep 5; apt update; } || echo 'The package lists could not be renewed; going on with those that are here.' >&2
# The names are words of ours, one package each.
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing
