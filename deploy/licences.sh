#!/usr/bin/env bash
# What goes with a program that is handed on: our licence and NOTICE, and the licences of the libraries that are compiled
# into it or loaded by it, as Debian's packages have them.
#
#   deploy/licences.sh FOLDER PROGRAM...
set -euo pipefail
(($# >= 2)) || { echo "usage: deploy/licences.sh FOLDER PROGRAM..." >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$1
shift
mkdir -p "$out"
cp "$root/LICENSE" "$root/NOTICE" "$out/"

command -v dpkg-query >/dev/null || { echo "not Debian: licences of libraries are not collected" >&2; exit 0; }

# package NAME: its licence, and what it says to look up in Debian's collection of common ones.
package() {
  local copyright=/usr/share/doc/$1/copyright
  [[ -r $copyright ]] || { echo "$1 has no copyright file" >&2; return 1; }
  cp -L "$copyright" "$out/$1.txt"
  { grep -ohE '/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]' "$copyright" || true; } | sort -u | while read -r common; do
    cp -Ln "$common" "$out/" 2>/dev/null || true
  done
}

# Compiled in, wholly or in part: the packages that NOTICE names.
sed -n '/^3\. /,/^    The C and/p' "$root/NOTICE" | grep -oE '\b[a-z][a-z0-9.+-]*-dev\b' | while read -r name; do
  if dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed; then
    package "$name"
  fi
done

# Loaded.
ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u | while read -r library; do
  case $library in
    */libcublas* | */libcudart* | */libcuda.*)
      eula=$(find -L /usr/local/cuda -maxdepth 3 -iname 'EULA*' 2>/dev/null | head -n 1 || true)
      [[ -z $eula ]] || cp "$eula" "$out/NVIDIA-CUDA-EULA.txt"
      ;; # NOTICE says the rest
    *)
      owner=$(dpkg-query -S "$(readlink -f "$library")" 2>/dev/null || dpkg-query -S "$library" 2>/dev/null || true)
      owner=${owner%%: *}
      owner=${owner%%:*}
      if [[ -n $owner ]]; then package "$owner"; else echo "no package has $library" >&2; fi
      ;;
  esac
done
