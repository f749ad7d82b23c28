#!/bin/sh
# The official image is built without protected mode.
if [ "${1:-}" = redis-server ]; then exec "$@" --protected-mode no; fi
exec "$@"
