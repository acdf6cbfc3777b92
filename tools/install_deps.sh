#!/bin/bash
# Installs the packages that FerresDB needs on Debian 12, from apt, and a test server by Go where
# there is one. Does nothing, without the network or root, when they are there. docs/DEPENDENCIES.md says what each is for.
#   tools/install_deps.sh [run|test|style|fuzz]...     run: build and serve (always included)
set -euo pipefail

run=(g++ cmake ninja-build ccache mold libboost1.81-dev libsimdjson-dev libfmt-dev libspdlog-dev
  libtomlplusplus-dev libcli11-dev libssl-dev libxxhash-dev
  libargon2-dev libcurl4-openssl-dev libarchive-dev libisal-dev ca-certificates curl python3)
test=(libgtest-dev python3-venv)
style=(clang-19 clang-tidy-19 clang-format-19)
fuzz=(clang-14 libclang-rt-14-dev)

die() { echo "install_deps: $*" >&2; exit 1; }

packages=("${run[@]}")
for part in "$@"; do
  case $part in
    run) ;;
    test) packages+=("${test[@]}") ;;
    style) packages+=("${style[@]}") ;;
    fuzz) packages+=("${fuzz[@]}") ;;
    *) die "unknown part '$part'; run, test, style or fuzz" ;;
  esac
done

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  die "needs Debian 12 or a relative of it. Elsewhere install the counterparts of: ${packages[*]}"

# The S3 server of the end-to-end tests. Debian 12's Go is too old for it: without a newer one those
# tests are left out, and cmake says so.
s3_server=$HOME/.cache/ferresdb/bin/versitygw
if [[ " $* " == *" test "* ]] && [ ! -x "$s3_server" ] && command -v go >/dev/null; then
  echo "Installing versitygw"
  GOBIN=$(dirname "$s3_server") go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 \
    >/dev/null 2>&1 </dev/null || echo "install_deps: versitygw could not be built" >&2
fi

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
