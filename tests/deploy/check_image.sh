#!/usr/bin/env bash
# Builds deploy/Dockerfile with podman and runs the image as docs/operations.md says: no writable file but in /tmp, no
# capabilities, the image's own user, entry point and health check. Needs root, and podman 4 or later; without --base
# also debootstrap.
#
#   tests/deploy/check_image.sh [--base IMAGE] [--program FILE] [cpu|cuda]...
#
# --base     builds on IMAGE, for example the pinned one. Without it a bare Debian, bootstrapped once, takes its place.
# --program  skips the build stage, and the long wait: FILE, built for Debian 12, is taken for what came of it.
#
# cpu unless cuda is named, whose toolkit is this machine's, in /usr/local/cuda. Never tried: that the pinned images can
# be pulled; kernels, which want a GPU in the container.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base='' program='' targets=()
while (($#)); do
  case $1 in
    --base) base=$2 && shift 2 ;;
    --program) program=$(realpath "$2") && shift 2 ;;
    *) targets+=("$1") && shift ;;
  esac
done
((${#targets[@]})) || targets=(cpu)

work=$(mktemp -d)
name=batucada-check
port=18431
trap 'podman rm -fi "$name" >/dev/null; rm -rf "$work"' EXIT
# Where there is no systemd podman cannot ask by itself how the container is, and says so each time.
podman() { command podman --log-level fatal "$@"; }
say() { printf '== %s\n' "$*"; }
fail() { podman logs "$name" 2>&1 || true; printf '%s\n' "$*"; exit 1; } >&2

if [[ -z $base ]]; then
  base=localhost/batucada-debian:12
  if ! podman image exists "$base"; then
    say "a bare Debian, in place of the pinned one"
    debootstrap --variant=minbase bookworm "$work/debian" >"$work/log" || { tail "$work/log"; exit 1; }
    tar -C "$work/debian" -c . | podman import -q - "$base"
  fi
fi

# A health check's --start-interval is newer than the podman of Debian 12.
sed 's/ --start-interval=[^ ]*//' deploy/Dockerfile >"$work/Dockerfile"

# build TARGET: the image localhost/batucada:TARGET.
build() {
  local flags=(--format docker --isolation chroot --pull=never -f "$work/Dockerfile" --target "$1"
    -t "localhost/batucada:$1" --build-arg "DEBIAN=$base" --build-arg "REVISION=$(git rev-parse HEAD)")
  if [[ -n $program ]]; then
    install -Ds "$program" "$work/built/opt/batucada/bin/batucada"
    deploy/licences.sh "$work/built/opt/batucada/share/licences" "$program"
    mkdir -p "$work/built/opt/batucada/lib"
    # The program loads cuBLASLt from where it was built, or from beside itself.
    grep -aom1 '/[[:graph:]]*/libcublasLt[.]so[.][0-9]*' "$program" | xargs -rI{} cp -L {} "$work/built/opt/batucada/lib"
    flags+=(--build-context "build-$1=$work/built")
  elif [[ $1 == cuda ]]; then
    flags+=(--build-context toolkit=/)
  fi
  podman build "${flags[@]}" . >"$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; exit 1; }
}

# holds TARGET TEMPLATE VALUE: what the image's configuration says.
holds() {
  local said
  said=$(podman image inspect --format "$2" "localhost/batucada:$1")
  [[ $said == "$3" ]] || fail "$2 is '$said' and not '$3'"
}

# inside COMMAND…: in the container that runs.
inside() { podman exec "$name" "$@"; }

for target in "${targets[@]}"; do
  say "the image $target"
  build "$target"
  holds "$target" '{{.Config.User}}' 10001:10001
  holds "$target" '{{.Config.Healthcheck.Test}}' '[CMD healthcheck]'
  holds "$target" '{{.Config.StopSignal}}' SIGTERM
  # Of a build that changed nothing else, podman 4.3 keeps the revision before.
  [[ $(podman image inspect --format '{{index .Labels "org.opencontainers.image.revision"}}' \
    "localhost/batucada:$target") =~ ^[0-9a-f]{40}$ ]] || fail "no revision is named"

  # The driver's library would come with the GPU.
  missing=$(podman run --rm --entrypoint ldd "localhost/batucada:$target" /opt/batucada/bin/batucada |
    grep 'not found' | grep -v libcuda.so.1 || true)
  [[ -z $missing ]] || fail "the runtime stage lacks: $missing"

  podman run -d --name "$name" --read-only --tmpfs /tmp --cap-drop ALL -p "127.0.0.1:$port:8000" \
    -e BATUCADA_BACKEND=cpu "localhost/batucada:$target" >/dev/null
  for _ in $(seq 100); do inside healthcheck 2>/dev/null && break; sleep 0.1; done
  podman healthcheck run "$name" >/dev/null || fail "not healthy"
  curl -sf "http://127.0.0.1:$port/v1/completions" -H 'Content-Type: application/json' \
    -d '{"prompt": "It was a dark and stormy night", "max_tokens": 16, "temperature": 0}' |
    grep -o '"text":"[^"]*"' || fail "no answer"
  for file in LICENSE NOTICE libcli11-dev.txt libssl3.txt; do
    inside test -s "/opt/batucada/share/licences/$file" || fail "the image lacks the licence $file"
  done
  [[ $(inside id -u) == 10001 ]] || fail "it runs as another user"
  if inside env BATUCADA_PORT=1 healthcheck 2>/dev/null; then
    fail "the health check finds a server where there is none"
  fi
  podman stop -t 20 "$name" >/dev/null
  ended=$(podman inspect --format '{{.State.ExitCode}}' "$name")
  [[ $ended == 0 ]] || fail "SIGTERM ended it with $ended"
  podman rm "$name" >/dev/null
  size=$(podman image inspect --format '{{.Size}}' "localhost/batucada:$target" | numfmt --to=iec)
  say "$size unpacked; all is well"
done
