#!/bin/bash
# By hand, as root: the README's two commands in a bare Debian 12. Makes a minimal system with
# debootstrap, copies a clean clone of HEAD into it, and runs there ./quickstart twice and ./test,
# printing their times. Of this machine only how to reach the package archive is carried over: apt's
# sources and transport settings, pip's, certificates, name resolution, proxy variables.
#   tests/bare/run.sh [--keep] [--only-quickstart] [FOLDER]     FOLDER: where the system goes, made new
# MIRROR overrides the archive that debootstrap reads.
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
port=18080 keep=0 what=all root=
for word in "$@"; do
  case $word in
    --keep) keep=1 ;;
    --only-quickstart) what=quickstart ;;
    -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;;
    *) root=$word ;;
  esac
done
die() { echo "bare: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || die "run it as root: chroot and debootstrap need it"
command -v debootstrap >/dev/null || die "install debootstrap"

# Mounts live in a namespace of their own and go when this script ends, however it ends.
if [ -z "${FERRES_BARE_UNSHARED:-}" ]; then
  FERRES_BARE_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi

root=${root:-$(mktemp -d /var/tmp/ferresdb-bare.XXXXXX)}
mkdir -p "$root"
chmod 755 "$root"  # as the root of a system is: tests run a server as nobody
[ -z "$(ls -A "$root")" ] || die "$root is not empty"
[ "$keep" -eq 1 ] || trap 'umount -l "$root"/proc "$root"/dev 2>/dev/null; rm -rf --one-file-system "$root"' EXIT

echo "bare: debootstrap into $root"
start=$SECONDS
debootstrap --variant=minbase bookworm "$root" ${MIRROR:+"$MIRROR"} >"$root.log" 2>&1 ||
  { tail -n 20 "$root.log" >&2; die "debootstrap failed"; }
rm -f "$root.log"
echo "bare: a minimal Debian $(cat "$root/etc/debian_version") after $((SECONDS - start)) s"

carry() { # PATH...: files and folders to the same place in the new system
  local path
  for path in "$@"; do
    [ -e "$path" ] || continue
    mkdir -p "$root$(dirname "$path")"
    cp -a --dereference "$path" "$root$(dirname "$path")/"
  done
}
rm -f "$root/etc/apt/sources.list"
carry /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d \
  /etc/apt/keyrings /etc/pip.conf /etc/resolv.conf /etc/hosts /usr/local/share/ca-certificates /etc/ssl/certs
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  if [ -e "$file" ] && grep -q '^ *Acquire' "$file"; then carry "$file"; fi
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"

git clone -q --no-hardlinks "$repository" "$root/root/ferresdb"
echo "bare: clone of $(git -C "$repository" log -1 --format='%h %s')"

cat >"$root/root/run.sh" <<EOF
set -uo pipefail
cd /root/ferresdb || exit 1
quickstart() { # TITLE
  local start=\$SECONDS
  ./quickstart --port $port >/root/quickstart.log 2>&1 </dev/null &
  local pid=\$!
  until grep -q 'Ctrl-C stops the server' /root/quickstart.log; do
    kill -0 \$pid 2>/dev/null || { tail -n 40 /root/quickstart.log; return 1; }
    sleep 0.2
  done
  echo "bare: \$1: all there after \$((SECONDS - start)) s"
  tail -n 34 /root/quickstart.log | sed 's/^/    /'
  curl -fs -H 'Content-Type: application/json' http://127.0.0.1:$port/api/v1/collections/demo/search \\
    -d @demo/queries/pilot.json | grep -q 'airplane pilot' || { echo 'bare: curl found no pilot'; return 1; }
  kill -TERM \$pid
  wait \$pid || { echo "bare: quickstart ended with \$?"; return 1; }
}
quickstart 'first quickstart' && quickstart 'second quickstart' || exit 1
[ $what = all ] || exit 0
start=\$SECONDS
.ci/run </dev/null
code=\$?
echo "bare: ./test through .ci/run: \$((SECONDS - start)) s"
[ \$code -eq 0 ] || exit \$code
start=\$SECONDS
./test </dev/null | tail -n 14
echo "bare: ./test again: \$((SECONDS - start)) s"
EOF
proxies=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -n "${!name:-}" ] && proxies+=("$name=${!name}")
done
env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  "${proxies[@]}" chroot "$root" bash /root/run.sh && code=0 || code=$?
echo "bare: $([ $code -eq 0 ] && echo passed || echo "FAILED with $code")"
exit $code
