#!/bin/sh
# Makes a fresh clone able to run: npm dependencies (Node among them) and system packages.
#
#   scripts/bootstrap.sh           what `bin/kelpie` and the demo need
#   scripts/bootstrap.sh --tests   that, and what only the tests need
#   scripts/bootstrap.sh --bench   that, and the tools that benchmarks compare with
#
# It says what it installs and why, changes nothing outside the clone but through apt (or Homebrew), and is silent when
# there is nothing to do. It looks for programs and files, not for packages, so that a QEMU from elsewhere is welcome.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
purpose=${1:-use}
system=$(uname -s)
machine=$(uname -m)
missing_packages=''

say() { printf 'kelpie setup: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 69
}

# True when one of the arguments is an existing file, or a program in PATH or where administrators keep theirs.
found() {
  for candidate in "$@"; do
    case "$candidate" in
      /*) if [ -e "$candidate" ]; then return 0; fi ;;
      *) if command -v "$candidate" >/dev/null || [ -x "/usr/sbin/$candidate" ] || [ -x "/sbin/$candidate" ]; then return 0; fi ;;
    esac
  done
  return 1
}

# need APT-PACKAGE BREW-FORMULA WHY WHAT-TO-LOOK-FOR...; the formula `-` means that macOS has it or cannot use it.
need() {
  package=$1 formula=$2 why=$3
  shift 3
  if [ "$system" = Darwin ]; then package=$formula; fi
  if [ "$package" = - ] || found "$@"; then return 0; fi
  say "$package is missing: it $why"
  missing_packages="$missing_packages $package"
}

list_needs() {
  # To run Kelpie and VMs. On Linux, Node comes from npm.
  need - node@24 'runs Kelpie' /opt/homebrew/opt/node@24/bin/node
  case "$machine" in
    x86_64) need qemu-system-x86 qemu 'runs the VMs' qemu-system-x86_64 ;;
    *) need qemu-system-arm qemu 'runs the VMs' qemu-system-aarch64 ;;
  esac
  need qemu-utils qemu 'makes and inspects the disks of VMs' qemu-img
  # To build base images, and the guest agent in them. dpkg-deb, gzip and unshare are part of every Debian.
  need dpkg dpkg 'unpacks the Debian packages of a base image' dpkg-deb
  need squashfs-tools squashfs 'packs the read-only root file system of an image' mksquashfs
  need e2fsprogs e2fsprogs 'formats the writable disk of an image' mke2fs /opt/homebrew/opt/e2fsprogs/sbin/mke2fs
  need xz-utils xz 'unpacks kernel modules' xz
  need zstd zstd 'unpacks kernel modules' zstd
  need gcc - 'compiles the guest agent' gcc
  need libc6-dev - 'is the C library that the guest agent is linked with' /usr/lib/*-linux-gnu/libc.a
  need make make 'builds the guest agent' make
}

# The other architecture and the fuzzer: nobody needs them to use Kelpie.
list_needs_of_tests() {
  if [ "$machine" = x86_64 ]; then
    need qemu-system-arm qemu 'runs arm64 VMs' qemu-system-aarch64
    need gcc-aarch64-linux-gnu - 'compiles the guest agent for arm64' aarch64-linux-gnu-gcc
    need libc6-dev-arm64-cross - 'is the C library for arm64' /usr/aarch64-linux-gnu/lib/libc.a
  fi
  need qemu-user-static - 'runs the QEMU of a host of the other architecture' qemu-aarch64-static qemu-x86_64-static
  need python3 - 'drives the guest agent in its own tests' python3
  need radosgw - 'is the S3 service that object stores are tested against (Ceph)' radosgw
  need ceph-mon - 'is the part of that service that knows where data is' ceph-mon
  need ceph-osd - 'is the part of that service that keeps data, in memory' ceph-osd
  need ceph-common - 'sets that service up' ceph
  need iproute2 - 'makes the networks between hosts that the soak cuts' ip
  need slirp4netns - 'is the network that VMs on Firecracker have without rights' slirp4netns
  need chromium-headless-shell - 'shows the pages that tests look at' chromium-headless-shell
  need clang - 'builds the fuzzer of the guest agent' clang
  fuzzer_of_clang='/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a'
  # shellcheck disable=SC2086 # the pattern is meant to expand
  if ! found $fuzzer_of_clang; then need "$(clang_runtime_package)" - 'is the fuzzing engine that clang links' "$root/none"; fi
}

# Debian names the runtime after clang's version: libclang-rt-14-dev.
clang_runtime_package() {
  version=''
  if command -v apt-cache >/dev/null; then
    version=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
  fi
  printf 'libclang-rt%s-dev' "${version:+-$version}"
}

# Who publishing and restoring is measured against (bench/store).
list_needs_of_benchmarks() {
  need restic restic 'is measured beside Kelpie: backups, encrypted' restic
  need borgbackup borgbackup 'is measured beside Kelpie: backups, encrypted' borg
  need casync - 'is measured beside Kelpie: images by chunks' casync
  need rclone rclone 'is measured beside Kelpie: files to S3' rclone
}

install_packages() {
  if [ "$system" = Darwin ]; then
    install_with_homebrew
  elif command -v apt-get >/dev/null; then
    install_with_apt
  else
    fail "this system has no apt: install these with its own package manager and try again:$missing_packages"
  fi
}

# Untested by us: the project is developed on Linux.
install_with_homebrew() {
  command -v brew >/dev/null || fail "Homebrew is needed to install:$missing_packages. See https://brew.sh"
  # shellcheck disable=SC2086 # one word per package is meant
  brew install $missing_packages >&2
}

install_with_apt() {
  command="apt-get install -y --no-install-recommends$missing_packages"
  become=''
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      become='sudo'
    else
      fail "packages are missing, and this user is neither root nor can use sudo here. Run as root: $command"
    fi
  fi
  # Lists are fetched only when they do not name a package: they cost seconds and may be old on purpose.
  # shellcheck disable=SC2086
  if ! apt_knows $missing_packages; then
    say 'fetching the package lists (apt-get update), since they do not name all of these packages'
    $become apt-get update -q >&2 || fail 'apt-get update failed: check the network and /etc/apt/sources.list, then try again'
    apt_knows $missing_packages || fail "this system's package sources have no package named:$unknown_packages"
  fi
  say "running: ${become:+$become }$command"
  # shellcheck disable=SC2086
  $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends $missing_packages >&2 ||
    fail "apt-get failed: read what it says above, then run: ${become:+$become }apt-get update && ${become:+$become }$command"
}

# True when apt could install every package named; else leaves the others in unknown_packages.
apt_knows() {
  unknown_packages=''
  for package in "$@"; do
    case "$(apt-cache policy "$package")" in
      '' | *'Candidate: (none)'*) unknown_packages="$unknown_packages $package" ;;
    esac
  done
  [ -z "$unknown_packages" ]
}

# The npm dependencies are those of the lock file exactly when our copy of it, made after the installation, is equal.
install_npm_dependencies() {
  if cmp -s "$root/package-lock.json" "$root/node_modules/.kelpie-installed-lock"; then return 0; fi
  command -v npm >/dev/null || fail 'npm is needed to install the project'\''s own Node and libraries: install Node 20 or newer'
  say 'installing the npm dependencies of package-lock.json into node_modules (npm ci): Node 24 for this project, libraries, tools'
  # Warnings are left out: npm runs under the system's older Node, which the project does not use.
  (cd "$root" && npm ci --loglevel=error --no-fund --no-audit >&2) ||
    fail 'npm ci failed: read what it says above; when it is the network, check `npm config get registry` and try again'
  cp "$root/package-lock.json" "$root/node_modules/.kelpie-installed-lock"
}

# Two at once would delete each other's node_modules.
take_turn() {
  mkdir -p "$root/.cache" || fail "cannot write to $root: clone the project to a folder of your own"
  exec 9>"$root/.cache/bootstrap.lock"
  if command -v flock >/dev/null; then flock 9; fi
}

take_turn
list_needs
case "$purpose" in
  --tests) list_needs_of_tests ;;
  --bench)
    list_needs_of_tests
    list_needs_of_benchmarks
    ;;
esac
if [ -n "$missing_packages" ]; then install_packages; fi
install_npm_dependencies
"$root/scripts/node" -e '' || fail 'Node 24 does not start: see the message above'
# A published package has no sources, and brings this file along.
if [ -e "$root/scripts/one-file.ts" ]; then
  "$root/scripts/node" "$root/scripts/one-file.ts" || fail 'the command line could not be made one file: see the message above'
fi
# What bin/kelpie looks at, so that it need not start this script each time.
: >"$root/.cache/ready"
