# fetch-model URL FOLDER "SHA256  FILE"…: every FILE of URL is in FOLDER, whole, or this fails.
# A file gets its own name only once its checksum is right. TOKEN is presented if it is set.
set -eu
url=$1 folder=$2
shift 2

# sum FILE: its SHA-256; nothing if it is not there.
sum() { [ ! -f "$1" ] || sha256sum "$1" | cut -d ' ' -f 1; }

# Through standard input, because arguments can be read by others.
header() { [ -z "${TOKEN:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$TOKEN"; }
get() {
  header | curl --config - --fail --silent --show-error --location --retry 5 --retry-connrefused --continue-at - \
    --output "$2" "$1"
}

for line in "$@"; do
  wanted=${line%%  *} name=${line#*  }
  file=$folder/$name part=$folder/$name.part
  if [ "$(sum "$file")" = "$wanted" ]; then
    echo "$name is there"
    continue
  fi
  mkdir -p "$(dirname "$file")"
  [ "$(sum "$part")" = "$wanted" ] || get "$url/$name" "$part"
  found=$(sum "$part")
  if [ "$found" != "$wanted" ]; then
    rm -f "$part"
    echo "$url/$name has SHA-256 $found and not $wanted, as model.download.files says" >&2
    exit 1
  fi
  mv "$part" "$file"
  echo "$name fetched"
done
