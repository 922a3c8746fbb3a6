#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A disk with this release of Debian, a kernel, systemd, nginx and sshd: sh tests/machine/disk.sh DIR PACKAGE...
# Leaves disk.img, vmlinuz, initrd and key (root's way in) in DIR, unless they are there for these packages. As root.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export PATH LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../mirrors.sh"

cache=$1
shift
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
log=$cache/log
exec 9>"$cache/lock"
flock 9
if [ -e "$cache/disk.img" ] && [ "$(cat "$cache/packages")" = "$*" ]; then exit 0; fi
: >"$log"

tree=$cache/tree
mounted=
finish() {
  [ -z "$mounted" ] || umount "$tree/proc"
  rm -rf "$tree"
}
trap finish EXIT
fail() {
  tail -n 20 "$log" | sed 's#[a-z]*://[^ ]*#the mirror#g' >&2
  echo "The disk of a machine could not be made: $1. The whole story: $log" >&2
  exit 1
}

. /etc/os-release
mirror=$(debian_mirrors "$cache/system-lists" "$log" | head -n 1)
[ -n "$mirror" ] || fail "the system's package sources name no Debian mirror that answers"
rm -rf "$tree" "$cache/disk.img"
wanted="systemd,systemd-sysv,dbus,udev,nginx-light,openssh-server,openssh-client,iproute2,procps,ca-certificates,initramfs-tools,sudo"
debootstrap --variant=minbase --include="$wanted" "$VERSION_CODENAME" "$tree" "$mirror" >>"$log" 2>&1 || fail 'debootstrap'
mount -t proc proc "$tree/proc" && mounted=yes
printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$tree/etc/hosts"
# shellcheck disable=SC2086  # names, one package each
chroot "$tree" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends linux-image-cloud-amd64 "$@" >>"$log" 2>&1 ||
  fail 'its packages'
chroot "$tree" apt-get clean
umount "$tree/proc" && mounted=

echo machine >"$tree/etc/hostname"
echo '/dev/vda / ext4 defaults 0 1' >"$tree/etc/fstab"
printf '[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\n' >"$tree/etc/systemd/network/10-only.network"
rm -f "$cache/key" "$cache/key.pub"
ssh-keygen -q -t ed25519 -N '' -C '' -f "$cache/key" >>"$log"
install -d -m 0700 "$tree/root/.ssh"
install -m 0600 "$cache/key.pub" "$tree/root/.ssh/authorized_keys"
chroot "$tree" passwd -q -d root >>"$log" 2>&1
chroot "$tree" systemctl enable systemd-networkd ssh >>"$log" 2>&1
# A journal on its disk, so that it can be read after the plug was pulled.
mkdir -p "$tree/var/log/journal"

cp "$tree"/boot/vmlinuz-* "$cache/vmlinuz"
cp "$tree"/boot/initrd.img-* "$cache/initrd"
truncate -s 3G "$cache/making.img"
mke2fs -q -F -t ext4 -d "$tree" "$cache/making.img" >>"$log" 2>&1 || fail 'mke2fs'
echo "$*" >"$cache/packages"
mv "$cache/making.img" "$cache/disk.img"
