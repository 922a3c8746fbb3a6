#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything that shows renewd works, on a fresh Debian 12 or 13, as root: packages, build, lints, unit tests, and integration tests
# against real servers on loopback. Ends with one line "N passed, N failed". What is missing is a failure, never a skip.
set -u
cd "$(dirname "$0")/.." || exit 1
# Debian's own tools, whatever else the caller has first in the path; the same words in every language.
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=${HOME:-/root}
export PATH LC_ALL HOME
umask 022

root=$(pwd)
build=$root/build
logs=$build/logs
passed=0
failed=0
mounted=
made_hosts=
tidy_pid=

finish() {
  [ -z "$tidy_pid" ] || kill "$tidy_pid" 2>/dev/null
  for place in $mounted; do umount "$place"; done
  [ -z "$made_hosts" ] || rm -f /etc/hosts
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

now() { date +%s; }
began=$(now)

# suite NAME PASSED FAILED SECONDS LOG: counts a suite, and shows the end of its log where something failed.
suite() {
  passed=$((passed + $2))
  failed=$((failed + $3))
  printf '  %-22s %4d passed  %4d failed  %4d s\n' "$1" "$2" "$3" "$4"
  if [ "$3" != 0 ] && [ -s "$5" ]; then
    tail -n "${6:-60}" "$5" | sed 's/^/    | /'
  fi
}

close() {
  echo
  echo "$(($(now) - began)) s; logs are in build/logs"
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] && [ "$passed" != 0 ]
  exit
}

# stage NAME COMMAND...: something the suites need. Without it nothing can be shown: that is the failure.
stage() {
  name=$1
  shift
  from=$(now)
  if "$@" >"$logs/$name.log" 2>&1 </dev/null; then
    printf '  %-22s %31d s\n' "$name" $(($(now) - from))
  else
    suite "$name" 0 1 $(($(now) - from)) "$logs/$name.log"
    close
  fi
}

configure() {
  if [ -f "$build/build.ninja" ]; then
    meson setup --reconfigure "$build" "$root" || meson setup --wipe "$build" "$root"
  else
    # Unoptimised: it takes half the time to build, and what is tested is what the code does.
    meson setup -Doptimization=0 -Dwerror=true "$build" "$root"
  fi
  mkdir -p "$logs"
}

compile() { ninja -C "$build"; }

lint() {
  from=$(now)
  if /usr/bin/python3 -B "tests/lint/check_$1.py" "$build" >"$logs/lint-$1.log" 2>&1; then
    suite "lint $1" 1 0 $(($(now) - from)) "$logs/lint-$1.log"
  else
    suite "lint $1" 0 1 $(($(now) - from)) "$logs/lint-$1.log"
  fi
}

# One doctest program a folder.
start_unit() {
  (
    from=$(now)
    "$build/tests/unit/$1/$1_test" >"$logs/unit-$1.log" 2>&1 </dev/null
    echo "$? $(($(now) - from))" >"$logs/unit-$1.end"
  ) &
}

# Its own last words are counted; a program that is missing, or ends without them, is a failure.
count_unit() {
  log=$logs/unit-$1.log
  read -r code seconds <"$logs/unit-$1.end" || { code=1 && seconds=0; }
  counts=$(sed -n 's/^\[doctest\] test cases: *[0-9]* *| *\([0-9]*\) passed *| *\([0-9]*\) failed.*/\1 \2/p' "$log" | tail -n 1)
  good=${counts% *}
  bad=${counts#* }
  [ "${good:-0}" != 0 ] || [ "${bad:-0}" != 0 ] || { echo "$1_test ran no test case (exit $code)" >>"$log"; code=1; }
  [ "$code" = 0 ] || [ "${bad:-0}" != 0 ] || bad=1
  suite "unit $1" "${good:-0}" "${bad:-0}" "$seconds" "$log"
}

attribute() { sed -n "s/.*<testsuite [^>]*\\<$1=\"\\([0-9]*\\)\".*/\\1/p" "$logs/integration.xml" | head -n 1; }

# Real servers wait more than they work: several tests at once. A skipped test is a failed one.
integration() {
  from=$(now)
  rm -f "$logs/integration.xml"
  directory=$(mktemp -d /tmp/renewd-tests.XXXXXX)
  chmod 755 "$directory"
  /usr/bin/python3 -B -m pytest -q --tb=short -n 4 -p no:cacheprovider --basetemp="$directory/t" -o junit_family=xunit1 --junitxml="$logs/integration.xml" \
    tests/integration >"$logs/integration.log" 2>&1 </dev/null
  code=$?
  all=$(attribute tests)
  bad=$(($(attribute failures) + $(attribute errors) + $(attribute skipped) + 0))
  if [ "$code" != 0 ] || [ "${all:-0}" = 0 ]; then
    [ "$bad" != 0 ] || bad=1
    echo "what the tests left is in $directory" >>"$logs/integration.log"
  else
    rm -rf "$directory"
  fi
  good=$((${all:-0} - bad))
  [ "$good" -ge 0 ] || good=0
  suite integration "$good" "$bad" $(($(now) - from)) "$logs/integration.log" 400
  # What was struck from outside, and how often.
  grep -o 'name="struck" value="[^"]*"' "$logs/integration.xml" | sed 's/.*value="\(.*\)"/    \1/'
}

# A program that counts for itself: its own last line, "N passed, N failed".
counted() {
  name=$1 log=$logs/$2.log
  shift 2
  from=$(now)
  "$@" >"$log" 2>&1 </dev/null
  code=$?
  counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
  good=${counts% *}
  bad=${counts#* }
  [ "$code" = 0 ] || [ "${bad:-0}" != 0 ] || bad=1
  suite "$name" "${good:-0}" "${bad:-0}" $(($(now) - from)) "$log"
}

# A year of 8,000 certificates, and what is promised of it. All 83,000 take minutes where nothing is optimised.
year() { counted year year "$build/tests/bench/year/year" 8000; }

# Renewals that are struck at their outward calls: a sample of each kind.
crash_sweep() {
  counted 'crash sweep' sweep /usr/bin/python3 -B tests/sweep/sweep.py "$build" --points "${RENEWD_SWEEP_POINTS:-34}"
  grep -e ' points of ' -e ' over the ' "$logs/sweep.log" | sed 's/^/    /'
}

mkdir -p "$logs"
# A fresh directory of debootstrap has no /proc and no terminals; every real system does.
if [ ! -e /proc/self ] && mount -t proc proc /proc; then mounted=/proc; fi
# Nor a name for itself.
if [ ! -e /etc/hosts ] && printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts; then made_hosts=yes; fi
if [ ! -e /dev/pts/ptmx ] && mount -t devpts -o ptmxmode=0666 devpts /dev/pts; then mounted="$mounted /dev/pts"; fi

echo "renewd: all tests"
stage packages sh tests/packages.sh test
stage pebble sh tests/pebble-newest.sh
stage configure configure
stage compile compile

# clang-tidy is long and needs nothing but a core: it runs beside the rest, and gives way to it.
tidy_from=$(now)
nice -n 15 /usr/bin/python3 -B tests/lint/check_tidy.py "$build" >"$logs/lint-tidy.log" 2>&1 &
tidy_pid=$!

# Not beside the integration tests: both make and remove accounts. Those of the deployers wait more than they work.
rm -f "$logs"/unit-*.end
units='deployers base hooks acme agent'
for name in $units; do
  start_unit "$name"
  case $name in deployers) units_pid=$! ;; *) wait $! ;; esac
done
for name in layers style codes coverage format shell; do lint "$name"; done
wait "$units_pid"
for name in $units; do count_unit "$name"; done
year
integration
crash_sweep

if wait "$tidy_pid"; then tidy_failed=0; else tidy_failed=1; fi
tidy_pid=
suite 'lint tidy' $((1 - tidy_failed)) "$tidy_failed" $(($(now) - tidy_from)) "$logs/lint-tidy.log"
close
