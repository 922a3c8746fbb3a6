#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A whole renewal on this machine, against a throwaway CA: sh agent/quickstart.sh, as root, on Debian 12 or 13. Installs the packages
# (no service is started), builds, and leaves build/agent/renewd. What it starts listens on loopback only and is stopped at the end.
set -eu
cd "$(dirname "$0")/.."
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export PATH LC_ALL
umask 022

name=www.example.test
root=$(pwd)
step='looking around'
work=
log=
pids=
mounted_proc=
made_run_sshd=

# Stops what was started here, by its process id; a failed step's logs are kept.
finish() {
  code=$?
  trap - EXIT
  for pid_file in "$work/web1/nginx.pid" "$work/web2/nginx.pid"; do
    if [ -n "$work" ] && [ -s "$pid_file" ]; then pids="$pids $(cat "$pid_file")"; fi
  done
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  if [ "$code" != 0 ]; then
    echo
    echo "Stopped at: $step (exit $code)."
    if [ -n "$log" ] && [ -s "$log" ]; then
      echo 'The last words there:'
      tail -n 15 "$log" | sed 's/^/    /'
    fi
    if [ -n "$work" ]; then echo "All logs are kept in $work"; fi
  elif [ -n "$work" ]; then
    rm -rf "$work"
  fi
  [ -z "$made_run_sshd" ] || rmdir /run/sshd
  [ -z "$mounted_proc" ] || umount /proc
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

now() { date +%s; }
began=$(now)

# begin LOG WHAT: a step, in the words of its failure.
begin() {
  log=$work/$1.log
  step=$2
  from=$(now)
}
# made WHAT WORDS: its end.
made() { printf '  %-9s %-62s %4d s\n' "$1" "$2" $(($(now) - from)); }

# try ARGUMENTS...: shows a command as one would type it, and what it says.
try() {
  echo
  echo "\$ renewd $*"
  "$root/build/agent/renewd" "$@" --config "$work/renewd.toml"
}

# A third party's view of what is served.
seen() {
  for server in "web1 $tls1" "web2 $tls2"; do
    serial=$(openssl s_client -connect "127.0.0.1:${server#* }" -servername "$name" </dev/null 2>>"$log" |
      openssl x509 -noout -serial -enddate 2>>"$log" | tr '\n' ' ')
    echo "  openssl, asking ${server% *} at 127.0.0.1:${server#* }, sees  ${serial:-no certificate}"
  done
}

wait_for() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if curl -s -o "$work/answer" --cacert "$work/https/ca.pem" "$1"; then return 0; fi
    sleep 0.25
  done
  echo "nothing answers at $1" >>"$log"
  return 1
}

make_ca() {
  mkdir "$work/https"
  (
    cd "$work/https"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n' >extensions
    set -- -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes
    openssl req -x509 "$@" -keyout ca.key -out ca.pem -days 2 -subj '/CN=throwaway' -addext 'keyUsage=critical,keyCertSign,cRLSign'
    openssl req "$@" -keyout key.pem -out csr.pem -subj '/CN=localhost'
    openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem -extfile extensions
  ) >>"$log" 2>&1
  cat >"$work/pebble.json" <<JSON
{"pebble": {"listenAddress": "127.0.0.1:$acme", "managementListenAddress": "127.0.0.1:$management",
  "certificate": "$work/https/cert.pem", "privateKey": "$work/https/key.pem", "httpPort": $plain1, "tlsPort": $unused,
  "ocspResponderURL": "", "externalAccountBindingRequired": false, "domainBlocklist": [],
  "retryAfter": {"authz": 1, "order": 1}, "certificateValidityPeriod": 7776000,
  "profiles": {"default": {"description": "90 days", "validityPeriod": 7776000}}}}
JSON
  help=$(pebble-challtestsrv -h 2>&1 || true)
  case $help in *-dnsserver*) dns_flag=-dnsserver ;; *) dns_flag=-dns01 ;; esac
  set -- -http01 '' -https01 '' -tlsalpn01 '' "$dns_flag" "127.0.0.1:$dns" -management "127.0.0.1:$names" \
    -defaultIPv4 127.0.0.1 -defaultIPv6 ''
  case $help in *'-doh '*) set -- "$@" -doh '' ;; esac
  pebble-challtestsrv "$@" >"$work/names.log" 2>&1 &
  pids="$pids $!"
  PEBBLE_VA_NOSLEEP=1 pebble -config "$work/pebble.json" -dnsserver "127.0.0.1:$dns" >"$work/pebble.log" 2>&1 &
  pids="$pids $!"
  wait_for "https://127.0.0.1:$acme/dir"
  # What its HTTPS and its certificates are to be judged with.
  wait_for "https://127.0.0.1:$management/roots/0"
  cat "$work/https/ca.pem" "$work/answer" >"$work/roots.pem"
}

# nginx_conf DIRECTORY PLAIN [TLS]: with TLS it names a certificate, which does not exist at first.
nginx_conf() {
  tls=
  if [ -n "${3-}" ]; then
    tls="server { listen 127.0.0.1:$3 ssl; server_name $name; include $1/renewd/$name.conf; return 200 'secure\\n'; }"
  fi
  cat >"$1/nginx.conf" <<CONF
pid $1/nginx.pid;
error_log $1/error.log info;
events { }
http {
  access_log off;
  client_body_temp_path $1/t1; proxy_temp_path $1/t2; fastcgi_temp_path $1/t3; uwsgi_temp_path $1/t4; scgi_temp_path $1/t5;
  server { listen 127.0.0.1:$2; location /.well-known/acme-challenge/ { root $work/webroot; } }
  $tls
}
CONF
}

make_web_server() {
  mkdir -p "$1/renewd"
  nginx_conf "$1" "$2"
  nginx -c "$1/nginx.conf" >>"$log" 2>&1
  nginx_conf "$1" "$2" "$3"
}

make_ssh_host() {
  # Where sshd locks itself up before a login; on a booted system its service makes it.
  if [ ! -d /run/sshd ]; then
    mkdir -p /run/sshd
    made_run_sshd=yes
  fi
  mkdir "$work/ssh"
  for key in host identity; do ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/ssh/$key" >>"$log" 2>&1; done
  cp "$work/ssh/identity.pub" "$work/ssh/authorized_keys"
  # Without PAM sshd lets a locked account in by no key at all.
  case $(sed -n 's/^root:\([^:]*\):.*/\1/p' /etc/shadow) in '!'*) pam=yes ;; *) pam=no ;; esac
  cat >"$work/ssh/sshd_config" <<CONF
Port $ssh
ListenAddress 127.0.0.1
HostKey $work/ssh/host
PidFile none
AuthorizedKeysFile $work/ssh/authorized_keys
StrictModes no
UsePAM $pam
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
CONF
  /usr/sbin/sshd -D -e -f "$work/ssh/sshd_config" >"$work/sshd.log" 2>&1 &
  pids="$pids $!"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if grep -qs 'Server listening' "$work/sshd.log"; then return 0; fi
    sleep 0.25
  done
  cat "$work/sshd.log" >>"$log"
  return 1
}

# target NAME NGINX PORT: what both targets say.
target() {
  cat <<TOML
  [[certificate."$name".target]]
  name = "$1"
  deployer = "nginx"
  include = "$work/$1/renewd/{certificate}.conf"
  versions = "$work/$1/renewd/{certificate}.d"
  test = ["nginx", "-t", "-c", "$work/$1/nginx.conf"]
  reload = ["nginx", "-c", "$work/$1/nginx.conf", "-s", "reload"]
  endpoints = ["https://$name:$2?address=127.0.0.1:$2"]
TOML
}

configure() {
  cat >"$work/renewd.toml" <<TOML
[agent]
state_dir = "$work/state"
allow_volatile = true          # only because all of this is thrown away

[ca.throwaway]
directory = "https://127.0.0.1:$acme/dir"
roots = "$work/roots.pem"
contact = "you@example.test"
agree_tos = true

[solver.web]
type = "http-01"
webroot = "$work/webroot"

[host.elsewhere]
ssh = "root@127.0.0.1:$ssh"
identity_file = "$work/ssh/identity"
host_key = "$(cut -d' ' -f1,2 "$work/ssh/host.pub")"

[certificate."$name"]
ca = "throwaway"
solver = "web"

$(target web1 "$tls1")

$(target web2 "$tls2")
  host = "elsewhere"
TOML
}

if [ "$(id -u)" != 0 ]; then
  echo 'This needs root, because it installs packages:  sudo sh agent/quickstart.sh' >&2
  trap - EXIT
  exit 1
fi
# A fresh directory of debootstrap has no /proc; every real system does.
if [ ! -e /proc/self ] && mount -t proc proc /proc; then mounted_proc=yes; fi
work=$(mktemp -d /tmp/renewd-quickstart.XXXXXX)
chmod 755 "$work"

echo 'A whole renewal on this machine, against a throwaway CA. Nothing that runs here is touched.'
echo
begin packages 'installing packages'
sh tests/packages.sh quickstart >"$log" 2>&1 </dev/null
made packages 'all that is needed is installed; no service was started'

begin build 'building'
if [ ! -f build/build.ninja ]; then meson setup build >"$log" 2>&1; fi
ninja -C build agent/renewd >>"$log" 2>&1
made build 'build/agent/renewd'

begin servers 'starting a CA, two nginx and an sshd'
# shellcheck disable=SC2046  # ten numbers, ten words
set -- $(/usr/bin/python3 -c 'import socket
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(10)]
print(*(one.getsockname()[1] for one in free))')
acme=$1 management=$2 dns=$3 names=$4 unused=$5 plain1=$6 plain2=$7 tls1=$8 tls2=$9
shift 9
ssh=$1
mkdir "$work/webroot"
make_ca
make_web_server "$work/web1" "$plain1" "$tls1"
make_web_server "$work/web2" "$plain2" "$tls2"
make_ssh_host
made servers 'Pebble (a CA), nginx web1 here, nginx web2 behind an sshd'

begin configuration 'writing a configuration'
configure
made configure "one certificate, to be served by web1 and web2:"
echo
sed -n '/^\[ca/,$p' "$work/renewd.toml" | sed "s,$work,DIR,g; s/^\(.\)/    \1/"
echo
echo 'Neither nginx has a certificate yet: their configurations name files that do not exist.'

begin renew 'the first renewal'
try renew
seen
made renewed 'ordered, deployed here and over SSH, seen to be served'

begin force 'a forced second renewal'
try renew "$name" --force
seen
made renewed 'again, with a new key; both changed over'

begin status 'the status'
try status

echo
echo "Done in $(($(now) - began)) s. What was started here is stopped and removed; build/agent/renewd stays."
echo 'A configuration of your own: README.md'
