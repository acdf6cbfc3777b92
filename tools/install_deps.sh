#!/bin/bash
# Installs the packages that FerresDB needs on Debian 12, from apt alone. Does nothing, without the
# network or root, when they are there. docs/DEPENDENCIES.md says what each is for.
#   tools/install_deps.sh [run|test|style]...     run: build and serve (always included)
set -euo pipefail

run=(g++ cmake ninja-build ccache mold libboost1.81-dev libsimdjson-dev libfmt-dev libspdlog-dev
  libtomlplusplus-dev libcli11-dev libssl-dev libxxhash-dev
  libcurl4-openssl-dev libarchive-dev libisal-dev ca-certificates curl python3)
test=(libgtest-dev python3-venv)
style=(clang-19 clang-tidy-19 clang-format-19)

die() { echo "install_deps: $*" >&2; exit 1; }

packages=("${run[@]}")
for part in "$@"; do
  case $part in
    run) ;;
    test) packages+=("${test[@]}") ;;
    style) packages+=("${style[@]}") ;;
    *) die "unknown part '$part'; run, test or style" ;;
  esac
done

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  die "needs Debian 12 or a relative of it. Elsewhere install the counterparts of: ${packages[*]}"

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^installed //p') || true
missing=()
for package in "${packages[@]}"; do
  grep -qx -- "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    die "run it as root, or install as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
  -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)

echo "Installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
  >"$log" 2>&1 </dev/null ||
  { tail -n 20 "$log" >&2; die "apt-get failed (above); is the package archive reachable?"; }
