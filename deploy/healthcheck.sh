#!/bin/bash
# Whether new requests are welcome, asked without any tool that an image would have to carry. Exit 0 if so.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${BATUCADA_HEALTH_PORT:-${BATUCADA_PORT:-8000}}"
printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
[[ $status == 200 ]]
