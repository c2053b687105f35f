# smoke-test URL [KEYS]: the server at URL is ready, completes a prompt and shows metrics. KEYS: a file whose first key
# is presented.
set -eu
url=$1
key=$(sed -n '/^[^#]/{p;q;}' "${2:-/dev/null}")

ask() { curl --fail-with-body --silent --show-error --insecure --max-time 60 -H "Authorization: Bearer $key" "$@"; }

ask "$url/health/ready"
answer=$(ask "$url/v1/completions" -H 'Content-Type: application/json' \
  -d '{"prompt": "It was a dark and stormy night", "max_tokens": 8}')
echo "$answer"
case $answer in
  *'"completion_tokens":'[1-8]*) ;;
  *) echo "no token in the answer" >&2 && exit 1 ;;
esac
ask "$url/version"
