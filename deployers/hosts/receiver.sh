# SPDX-License-Identifier: Apache-2.0
# The remote side of a deployment over SSH: does with one installation what local.cpp and replacement.cpp do on their own
# machine, in the same order and under the same names. It is the argument of /bin/sh -c and never its input, for shells read
# ahead and would execute the payload; all that varies comes on standard input (docs/installation.md).
# POSIX sh with coreutils or busybox. No single quote but in comments: the whole text is put between two of them.
umask 077
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
cd /
me=$(id -u) dog= late= work= base_made= opened= left_complete= versions= why= interrupted=false
none="{\"ran\":false}" before="{\"ran\":false}" after="{\"ran\":false}" reload="{\"ran\":false}"
trap : HUP INT PIPE
trap "late=1" TERM

say() { printf "renewd-1 %s\n" "$1"; }
quote() { printf "%s" "$1" | tr "\n" " " | tr -cd "\40-\176" | sed "s/[\\\\\"]/\\\\&/g"; }
hash() { printf "%s" "$1" | sha256sum | cut -c "1-$2"; }
digest() { [ ! -f "$1" ] || [ -L "$1" ] || sha256sum <"$1" 2>/dev/null | cut -c 1-64; }
try() { why=$("$@" 2>&1); }
directory() { d=${1%/*} && d=${d:-/}; }
beside() { directory "$1" && new=$d/$tag.$(hash "$1" 8).new && old=${new%.new}.old; }

# Ends the run; what is proven stays. A journal stays where the next run has to put something right.
end() {
    [ -z "$opened" ] || forget
    [ -z "$work" ] || { rm -rf "$work/run" && rmdir "$work" 2>/dev/null; }
    [ -z "$base_made" ] || rmdir "$base_made" 2>/dev/null
    [ -z "$dog" ] || kill "$dog" 2>/dev/null
    exit 0
}
refuse() { say "{\"version\":1,\"error\":\"$1\",\"message\":\"$(quote "$2")\"}"; end; }
answer() {
    say "{\"version\":1,\"outcome\":\"$1\",\"test_before\":$before,\"test_after\":$after,\"reload\":$reload,\"message\":\"$(quote "${2-}")\",\"interrupted_before\":$interrupted}"
}
fail() { answer write-failed "$1"; end; }
full() { fail "what was sent could not be kept in $run: is the disk full?"; }

# The deadline holds even if the client hangs or has gone. TERM comes again and again, for one may come at a bad moment.
watch() {
    [ -z "$dog" ] || kill "$dog" 2>/dev/null
    (
        rest=$1
        while [ "$rest" -gt 0 ]; do sleep 1 && kill -0 $$ || exit 0; rest=$((rest - 1)); done
        while kill -TERM $$; do sleep 1; done
    ) </dev/null >/dev/null 2>&1 8>&- 9>&- &
    dog=$!
}

# lock FD SECONDS WHAT: a lock that dies with this shell; without flock(1) there is none.
lock() {
    command -v flock >/dev/null || return 0
    tries=$(($2 * 5))
    until flock -n "$1"; do
        [ "$tries" -gt 0 ] && [ -z "$late" ] || refuse state/locked "$3 is under way"
        tries=$((tries - 1)) && sleep 0.2
    done
}
unlock() { ! command -v flock >/dev/null || flock -u "$1"; }

# Is every step to this directory in trusted hands? As check_directory() in safe_path.cpp.
look() {
    status=$(stat -c "%u %a" "$1" 2>/dev/null) || return 1
    [ "${status% *}" = 0 ] || [ "${status% *}" = "$me" ] ||
        refuse deploy/unsafe-path "$1 belongs to user ${status% *}, who could lead the files elsewhere"
    [ ! -L "$1" ] || return 0
    [ -d "$1" ] || refuse deploy/unsafe-path "$1 is no directory"
    case ${status#* } in
    [1357]???) ;;
    *[2367]? | *[2367]) refuse deploy/unsafe-path "others than its owner may write to $1, and could lead the files elsewhere" ;;
    esac
}
trusted() {
    todo=$1/ at= links=0
    look / || return 0
    while todo=${todo#"${todo%%[!/]*}"} && [ -n "$todo" ]; do
        step=${todo%%/*} todo=${todo#*/}
        case $step in
        .) continue ;;
        ..) at=${at%/*} && continue ;;
        esac
        look "$at/$step" || return 0
        if [ -L "$at/$step" ]; then
            links=$((links + 1)) && [ "$links" -le 8 ] || refuse deploy/unsafe-path "$1: too many symbolic links"
            link=$(readlink "$at/$step") && todo=$link/$todo
            case $link in /*) at= ;; esac
        else
            at=$at/$step
        fi
    done
}

# The bundle, line by line. field NAME: its value; lines COUNT: that many.
field() {
    read -r name value <&3 && [ "$name" = "$1" ] || refuse host/protocol "this bundle cannot be read here"
}
lines() {
    count=$1
    while [ "$count" -gt 0 ]; do
        IFS= read -r line <&3 || refuse host/protocol "this bundle ends too early"
        printf "%s\n" "$line" || return 1
        count=$((count - 1))
    done
}
parse() {
    exec 3<"$run/bundle"
    field renewd-bundle && [ "$value" = 1 ] || refuse host/protocol "this bundle is of another version"
    field id
    field deadline
    field command-deadline && patience=$value
    # A list that was cut short by a full disk would be a shorter list.
    for name in test reload restart; do field "$name" && lines "$value" >"$run/$name" || full; done
    field versions && versions=$value
    field kept && lines "$value" >"$run/kept" || full
    field known && sets=$value && true >"$run/known" || full
    while [ "$sets" -gt 0 ]; do
        field set && printf "set %s\n" "$value" >>"$run/known" && lines "$value" >>"$run/known" || full
        sets=$((sets - 1))
    done
    field staged && lines "$value" >"$run/staged.plan" || full
    field published && lines "$value" >"$run/published.plan" || full
    field bytes && at=$((length - value + 1))
    resolve staged && resolve published && cat "$run/staged" "$run/published" >"$run/all" || full
    [ -z "$versions" ] || trusted "$versions"
}

# resolve LIST: may its files be written here? Their lines get ids for names, and where in the bundle their content begins.
resolve() {
    true >"$run/$1" && true >"$run/try" || full
    while read -r sum size mode owner group path <&4; do
        directory "$path" && where=$at && trusted "$d" && at=$where
        [ ! -L "$path" ] || refuse deploy/unsafe-path "$path is a symbolic link, and belongs to whoever made it"
        [ ! -e "$path" ] || [ -f "$path" ] || refuse deploy/unsafe-path "$path is no regular file"
        try chown "$owner:$group" "$run/try" || fail "$path cannot be given to $owner:$group by user $me: $why"
        printf "%s\n" "$sum $size $(printf "%o" "$mode") $(stat -c "%u:%g" "$run/try") $at $path" >>"$run/$1" || full
        at=$((at + size))
    done 4<"$run/$1.plan"
}

# What is there? has SUM MODE IDS PATH: exactly this.
has() { [ "$(stat -c "%a %u:%g" "$4" 2>/dev/null)" = "$2 $3" ] && [ "$(digest "$4")" = "$1" ]; }
in_place() {
    while read -r sum size mode ids at path <&4; do has "$sum" "$mode" "$ids" "$path" || return 1; done 4<"$run/all"
}
# One of the known sets, or the wanted one: all published files are in it, and each of its files is whole.
ours() {
    cut -d " " -f 6- "$run/published" >"$run/names"
    { cat "$run/known" && echo "set $(wc -l <"$run/all")" && cut -d " " -f 1,6- "$run/all"; } >"$run/sets"
    exec 4<"$run/sets"
    while read -r name count <&4; do
        same=1 unnamed=$(wc -l <"$run/names")
        while [ "$count" -gt 0 ] && read -r sum path <&4; do
            [ "$(digest "$path")" = "$sum" ] || same=
            ! grep -qxF -e "$path" "$run/names" || unnamed=$((unnamed - 1))
            count=$((count - 1))
        done
        [ -z "$same" ] || [ "$unnamed" -gt 0 ] || return 0
    done
    return 1
}

# What an interrupted run left: "SUM had|none PATH" for each file it was about to publish.
recover() {
    while read -r sum size mode ids at path <&4; do
        beside "$path" && rm -f "$new"
        [ -f "$work/journal" ] || rm -f "$old"
    done 4<"$run/all"
    true >"$run/journal" || full
    [ -f "$work/journal" ] || return 0
    interrupted=true left_complete=1
    while read -r sum state path <&4; do
        now=$(digest "$path")
        grep -qxF -e "$now had $path" -e "$now none $path" "$work/journal" || left_complete=
    done 4<"$work/journal"
    while read -r sum state path <&4; do
        if cut -d " " -f 6- "$run/published" | grep -qxF -e "$path"; then
            printf "%s\n" "$sum $state $path" >>"$run/journal" || full
        else
            directory "$path" && trusted "$d"
            [ -n "$left_complete" ] || put_back_one "$sum" "$state" "$path" || fail "$why"
            beside "$path" && rm -f "$old"
        fi
    done 4<"$work/journal"
}

# store SUM SIZE MODE IDS AT PATH: the new content beside the file; owner and mode before the first byte.
store() {
    beside "$6"
    why=$(
        set -C && { chown "$4" "$new" && chmod "$3" "$new" && tail -c "+$5" "$run/bundle" | head -c "$2"; } 2>&1 >"$new"
    )
    [ "$(digest "$new")" = "$1" ] || { why="$6 could not be written: $why" && return 1; }
    try durable "$new"
}
# make_directory DIRECTORY FILE: if the one above it is there; that of the versions is made, too.
make_directory() {
    [ ! -d "$1" ] || return 0
    [ "${1%/*}" != "$versions" ] || make_directory "$versions" "$2" || return 1
    [ -d "${1%/*}/" ] || { why="the directory ${1%/*} for $2 does not exist" && return 1; }
    try mkdir "$1" && printf "%s\n" "$1" >>"$run/made" && try chmod 755 "$1" && try durable "${1%/*}/"
}
# save SUM PATH: keeps what is there under another name, or remembers that nothing is.
save() {
    beside "$2" && now=$(digest "$2") then=
    [ -n "$now" ] || [ ! -e "$2" ] || { why="$2 cannot be read" && return 1; }
    for state in had none; do
        if [ -n "$now" ] && grep -qxF -e "$now $state $2" "$run/journal"; then then=$state; fi
    done
    [ "$then" != had ] || [ -e "$old" ] || then=
    if [ -n "$then" ]; then
        # The lines of the run before stay: this one may be interrupted, too, before it has published anything.
        printf "%s\n" "$1 $then $2" && grep -E "^[0-9a-f]{64} $then " "$run/journal" | while read -r digest state name; do
            [ "$name" != "$2" ] || printf "%s\n" "$digest $state $name"
        done
    elif rm -f "$old" && [ -e "$2" ]; then
        ln "$2" "$old" 2>/dev/null || { try cp -p "$2" "$old" && try durable "$old"; } || return 1
        printf "%s\n" "$1 had $2"
    else
        printf "%s\n" "$1 none $2"
    fi >>"$run/journal.new"
}
settle() {
    while read -r sum size mode ids at path <&4; do
        directory "$path"
        [ ! -d "$d" ] || try durable "$d" || return 1
    done 4<"$run/all"
}
publish() {
    true >"$run/made" && true >"$run/journal.new" || full
    while read -r sum size mode ids at path <&4; do
        directory "$path" && make_directory "$d" "$path" || return 1
    done 4<"$run/published"
    while read -r sum size mode ids at path <&4; do
        has "$sum" "$mode" "$ids" "$path" && continue
        directory "$path" && make_directory "$d" "$path" || return 1
        [ -e "$path" ] || printf "%s\n" "$path" >>"$run/made"
        store "$sum" "$size" "$mode" "$ids" "$at" "$path" && try mv -f "$new" "$path" || return 1
    done 4<"$run/staged"
    while read -r sum size mode ids at path <&4; do
        save "$sum" "$path" && store "$sum" "$size" "$mode" "$ids" "$at" "$path" || return 1
    done 4<"$run/published"
    settle && try cp "$run/journal.new" "$run/journal.disk" && try durable "$run/journal.disk" || return 1
    try mv -f "$run/journal.disk" "$work/journal" && try durable "$work" || return 1
    mv -f "$run/journal.new" "$run/journal" && left_complete=
    while read -r sum size mode ids at path <&4; do
        beside "$path" && try mv -f "$new" "$path" || return 1
    done 4<"$run/published"
    settle
}

put_back_one() {
    now=$(digest "$3")
    [ -n "$now" ] || [ ! -e "$3" ] || { why="$3 cannot be read" && return 1; }
    [ "$now" = "$1" ] || return 0
    beside "$3"
    case $2 in
    none) try rm -f "$3" ;;
    # Two names of one file, where the old content is the new one: mv would refuse.
    had) [ ! -e "$old" ] || [ "$old" -ef "$3" ] || try mv -f "$old" "$3" && try rm -f "$old" ;;
    esac
}
# Everything that can come back does; $why is the first thing that stood in the way, and then the journal stays.
put_back() {
    first=
    while read -r sum state path <&4; do
        put_back_one "$sum" "$state" "$path" || first=${first:-${why:-$path}}
    done 4<"$run/journal"
    why=$first && [ -z "$first" ]
}
# After put_back. What cannot be tidied up ($why) is found by the next run.
tidy() { settle && discard && forget && why=; }
# A directory that holds something else by now stays, and is no failure.
discard() {
    while read -r sum size mode ids at path <&4; do beside "$path" && rm -f "$new"; done 4<"$run/all"
    [ ! -f "$run/made" ] || sort -r "$run/made" | while read -r path; do
        if [ -d "$path" ]; then rmdir "$path" 2>/dev/null; else rm -f "$path"; fi
    done
    return 0
}
forget() {
    opened=
    [ ! -f "$work/journal" ] || { try rm -f "$work/journal" && try durable "$work" || return 1; }
    while read -r sum size mode ids at path <&4; do
        beside "$path" && try rm -f "$old" || return 1
    done 4<"$run/published"
    settle
}
prune() {
    [ -n "$versions" ] || return 0
    for path in "$versions"/*; do
        name=${path##*/}
        case ${name%-*} in "" | *[!0-9]* | ??????????*) continue ;; esac
        case ${name##*-} in *[!0-9a-f]* | ????????*?) continue ;; ????????) ;; *) continue ;; esac
        [ "$name" = "${name%-*}-${name##*-}" ] && ! grep -qxF -e "$name" "$run/kept" || continue
        try rm -rf "$path" || return 1
    done
    try durable "$versions"
}

# run NAME: runs that command; $said is its report. It gets nothing of ours but a PATH. Its status takes no file: a disk
# that is full must not look like a test that fails.
run() {
    exec 4<"$run/$1" && set -- && said=$none code=0
    while IFS= read -r word <&4; do set -- "$@" "$word"; done && exec 4<&-
    [ "$#" -gt 0 ] || return 0
    began=$(date +%s)
    # What it leaves running may print on for ever: then its reader stays with it, and nobody waits for them. Without room for a pipe its
    # words are lost, and nothing else. Nobody waits for the other end of a pipe to be opened: the reader holds one itself
    # until it is, or it would wait for ever where this shell is killed at that moment.
    if rm -f "$run/pipe" "$run/read" && mkfifo "$run/pipe" "$run/read" && true >"$run/output" && exec 6<>"$run/pipe" 7<>"$run/read"; then
        {
            exec <"$run/pipe" 6>&- && echo >&7
            sh -c "dd bs=1 count=4000 2>/dev/null; exec cat >/dev/null" >"$run/output"
            echo >&7
        } >/dev/null 2>&1 3<&- 8>&- 9>&- &
        timeout 1 head -n 1 <&7 >/dev/null
    else
        exec 6>/dev/null 7</dev/null
    fi
    (umask 022 && exec env -i PATH="$PATH" LANG=C.UTF-8 timeout -k 2 "$patience" "$@") </dev/null >&6 2>&1 3<&- 6>&- 7>&- 8>&- 9>&-
    code=$?
    exec 6>&-
    timeout 1 head -n 1 <&7 >/dev/null
    exec 7>&-
    # busybox has no status of its own for what took too long.
    case $code in 137 | 143) [ "$(($(date +%s) - began))" -lt "$patience" ] || code=124 ;; esac
    text=$(tr -cd "\12\40-\176" <"$run/output" | sed "/^\$/d" | sed "\$!s/\$/;/")
    said="{\"ran\":true,\"exit_code\":$code,\"output\":\"$(quote "$text")\"}"
    return "$code"
}

# Steps 1 to 5.
install() {
    run test && broken= || broken=1
    before=$said
    if [ -n "$broken" ] && [ "$interrupted" = false ] && ours; then answer service-broken; end; fi
    if in_place; then
        if [ -n "$broken" ]; then after=$before && take_back; fi
        outcome=unchanged
    else
        if ! publish; then
            if [ -n "$left_complete" ]; then discard; else
                failure=$why
                put_back || fail "$failure; and what was there before could not be put back: $why; the next run tries again"
                tidy || :
                why=$failure
            fi
            fail "$why"
        fi
        run test || { after=$said && take_back; }
        after=$said outcome=installed
    fi
    opened=1
    run reload
    reload=$said
    answer "$outcome"
}
# The service's test with what is there, and nothing else.
rehearse() {
    if run test; then outcome=unchanged; else outcome=service-broken; fi
    before=$said
    answer "$outcome"
    end
}
take_back() {
    put_back || fail "the new files did not pass the test, and what was there before could not be put back: $why; the next run tries again"
    tidy || :
    answer test-failed "$why"
    end
}

# $work is set, and with it cleared up in the end, once nobody else can be at work there.
receive() {
    case $place in /*/.renewd-*) ;; *) refuse host/protocol "no directory to work in" ;; esac
    tag=${place##*/} run=$place/run locks=/run/renewd-locks
    # An ordinary user: in a directory of his own, where nobody else could make one first and hold up every deployment.
    if [ "$me" != 0 ]; then
        locks=$HOME/.renewd-locks
        [ "$(stat -c %u "${XDG_RUNTIME_DIR:-/}" 2>/dev/null)" != "$me" ] || locks=$XDG_RUNTIME_DIR/renewd-locks
    fi
    try mkdir -p "$locks" && [ ! -L "$locks" ] && [ "$(stat -c %u "$locks")" = "$me" ] ||
        refuse deploy/unsafe-path "locks have to be kept in $locks, and it is not ours: ${why:-somebody else has made it}"
    exec 8>>"$locks/target-$(hash "$place" 16)" && lock 8 10 "another deployment to this target"
    directory "$place" && trusted "$place"
    if [ ! -d "$d" ]; then
        [ -d "${d%/*}/" ] || fail "the directory ${d%/*} for $d does not exist"
        try mkdir -m 755 "$d" && base_made=$d || fail "$why"
    fi
    [ -d "$place" ] || try mkdir "$place" || fail "$why"
    work=$place
    try rm -rf "$run" && try mkdir "$run" || fail "$why"
    true >"$run/output" || full
    if sync "$run" 2>/dev/null; then durable() { sync "$@"; }; else durable() { sync; }; fi
    why=$(timeout "$limit" head -c "$length" 2>&1 >"$run/bundle")
    case $? in
    0 | 124 | 143) ;;
    *) fail "what was sent could not be kept in $run: $why" ;;
    esac
    [ "$(wc -c <"$run/bundle")" -eq "$length" ] && [ "$(digest "$run/bundle")" = "$sum" ] ||
        refuse host/protocol "the files arrived damaged or cut short; nothing was published"
    parse
    budget=$((limit - 4 * patience)) && [ "$budget" -gt 0 ] || budget=1
    [ "$budget" -le 180 ] || budget=180
    exec 9>>"$locks/service-$(sha256sum <"$run/reload" | cut -c 1-16)" && lock 9 "$budget" "another deployment to this service"
    [ "$verb" = install ] || rehearse
    recover
    install
}

for tool in cut dd env grep head mkfifo readlink sed sha256sum stat tail timeout tr wc; do
    command -v "$tool" >/dev/null || refuse host/protocol "there is no $tool on this host"
done
watch 60 && say ready
read -r magic verb length sum limit place || end
[ "$magic" = renewd-1 ] || refuse host/protocol "this receiver speaks version 1"
case $length$limit in "" | *[!0-9]*) refuse host/protocol "no number where one was due" ;; esac
if [ "$verb" = inspect ]; then
    files=
    while [ "$length" -gt 0 ] && IFS= read -r path; do
        files="$files${files:+,}\"$(digest "$path")\"" length=$((length - 1))
    done
    say "{\"version\":1,\"files\":[$files]}"
    end
fi
case $verb in install | rehearse) ;; *) refuse host/protocol "this receiver does not know the request" ;; esac
watch "$limit"
receive
unlock 9
while [ -z "$late" ] && read -r request; do
    # Whatever happens from here on, the way back is not forgotten before it has been gone.
    [ "$request" != restore ] || opened=
    lock 9 "$limit" "another deployment to this service"
    case $request in
    reload)
        run reload
        reload=$said && answer "$outcome"
        ;;
    restore)
        before=$none after=$none reload=$none
        put_back || fail "$why; the next run tries again"
        tidy || :
        # What does not pass its own test would not start again: a service that still runs is not stopped for it.
        if run test && [ -s "$run/restart" ]; then next=restart; else next=reload; fi
        after=$said
        run "$next"
        reload=$said
        answer restored "$why"
        end
        ;;
    commit)
        before=$none after=$none reload=$none why=
        forget && prune
        answer committed "$why"
        end
        ;;
    esac
    unlock 9
done
end
