# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Read by scripts that need more of Debian than the system has installed. The system's package sources and lists stay as they are.

# debian_mirrors LISTS LOG: the mirrors that the system uses, however its sources are written, one a line: first those known to be
# Debian's, then any that has this release. A system without package lists is asked with lists of our own, in LISTS for that while.
debian_mirrors() {
  found=$(list_mirrors "$2" -o Acquire::Languages=none)
  if [ -z "$found" ]; then
    mkdir -p "$1/partial"
    apt-get -q -o Dir::State::Lists="$1" -o Acquire::Languages=none -o APT::Sandbox::User=root update >>"$2" 2>&1 </dev/null || true
    found=$(list_mirrors "$2" -o Dir::State::Lists="$1")
    rm -rf "$1"
  fi
  echo "$found"
}

# list_mirrors LOG OPTION VALUE
list_mirrors() {
  {
    package_lists '$(ORIGIN)/$(LABEL)' "$@" | sed -n 's#^Debian/Debian ##p'
    package_lists '$(RELEASE)' "$@" | sed -n "s#^$(. /etc/os-release && echo "${VERSION_CODENAME-stable}") ##p"
  } | awk '!seen[$0]++'
}

# package_lists WHAT LOG OPTION VALUE: WHAT of each list of packages, and where it is from.
package_lists() {
  apt-get indextargets "$3" "$4" --format "$1 \$(REPO_URI)" 'Created-By: Packages' 'Component: main' 2>>"$2" || true
}
