#!/usr/bin/env bash
# What deploy/Dockerfile says, done without a container engine: builds the program from nothing but the files that
# .dockerignore lets through, installs the runtime stage's packages in a bare Debian, and runs the program there as the
# image does: its user, its environment, no capabilities, no writable file but in /tmp. Needs root and debootstrap.
#
#   tests/deploy/check_image.sh [FOLDER]   keeps the bare Debian in FOLDER (build/image) for the next time
#
# Not tried: the CUDA stages, whose base exists as an image alone, and what the engine itself does.
# shellcheck disable=SC2016 # a few scripts are for shells inside
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=$(realpath -m "${1:-build/image}")
root=$folder/root
context=$folder/context
port=18431
say() { printf '== %s\n' "$*"; }

# stage NAME: the instructions of one stage, continued lines joined.
stage() { sed -e ':a' -e '/\\$/{N;s/\\\n//;ba}' deploy/Dockerfile | sed -n "/ AS $1\$/,/^FROM .* AS /{/ AS /d;p}"; }
packages=$(stage runtime | sed -n 's/.*--no-install-recommends *\([^&]*\) &&.*/\1/p' | xargs)
user=$(stage runtime | sed -n 's/^USER //p')
build=$(stage build-cpu | sed -n 's/.*\(cmake --preset .*\) && *install.*/\1/p')
mapfile -t environment < <(stage runtime | sed -n 's/^ENV //p' | grep -o '[A-Z_]*=[^ ]*' | sed 's/\$PATH/\/usr\/bin:\/bin/')

say "the build stage, from the files that .dockerignore lets through"
rm -rf "$context" && mkdir -p "$context"
mapfile -t admitted < <(sed -n 's/^!//p' .dockerignore)
mapfile -t refused < <(sed -n 's/^\*\*\/\(.*\)/--exclude=\1/p' .dockerignore)
git ls-files "${admitted[@]}" | tar -c "${refused[@]}" -T - | tar -x -C "$context"
du -sh "$context"
(cd "$context" && eval "$build" >build.log 2>&1) || { tail -20 "$context/build.log"; exit 1; }

say "a bare Debian with: $packages"
[[ -d $root/etc ]] || debootstrap --variant=minbase bookworm "$root" >"$folder.log" 2>&1
chroot "$root" env DEBIAN_FRONTEND=noninteractive bash -c "dpkg --configure -a && apt-get -qq update &&
  apt-get -qq install -y --no-install-recommends $packages" >>"$folder.log" 2>&1
rm -rf "$root/opt/batucada" "$root/models"
install -Ds "$context/build/release/bin/batucada" "$root/opt/batucada/bin/batucada"
install -m 755 "$context/deploy/healthcheck.sh" "$root/opt/batucada/bin/healthcheck"
cp -r "$context/models" "$root/models"
if chroot "$root" ldd /opt/batucada/bin/batucada | grep 'not found'; then
  echo "the runtime stage lacks packages for these" >&2
  exit 1
fi

# inside COMMAND…: as the image runs it.
inside() {
  unshare --mount --pid --fork bash -c '
    root=$1 user=$2; shift 2
    mount --bind "$root" "$root" && mount -o remount,bind,ro "$root" && mount -t tmpfs tmpfs "$root/tmp" &&
      mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev"
    exec chroot "$root" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --bounding-set=-all \
      --inh-caps=-all --no-new-privs "$@"
  ' inside "$root" "$user" env -i "${environment[@]}" "$@"
}

say "the program, as $user with ${environment[*]}"
inside bash -c 'id -u; for at in /x /models/x /opt/batucada/bin/x /etc/x; do
  ! touch $at 2>/dev/null || { echo "$at can be written" >&2; exit 1; }; done; touch /tmp/x'
inside env BATUCADA_PORT=$port BATUCADA_GRPC_PORT=$((port + 1)) batucada serve >"$folder/serve.log" 2>&1 &
server=$!
trap 'pkill -KILL -P "$(pgrep -P $server)" || true' EXIT
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/health/ready" >/dev/null && break; sleep 0.1; done
curl -sf "http://127.0.0.1:$port/v1/completions" -H 'Content-Type: application/json' \
  -d '{"prompt": "It was a dark and stormy night", "max_tokens": 16, "temperature": 0}' |
  grep -o '"text":"[^"]*"' || { cat "$folder/serve.log" >&2; exit 1; }
inside env BATUCADA_PORT=$port healthcheck && echo "healthy"
if inside env BATUCADA_PORT=$((port + 2)) healthcheck 2>/dev/null; then
  echo "the health check finds a server where there is none" >&2
  exit 1
fi
pkill -TERM -P "$(pgrep -P $server)" # it is process 1 there, for which a signal without a handler means nothing
wait $server || { echo "SIGTERM ended it with $?" >&2; exit 1; }
trap - EXIT
say "$(du -sh --exclude=var/cache --exclude=var/lib/apt "$root" | cut -f1) unpacked; all is well"
