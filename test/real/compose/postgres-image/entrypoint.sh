#!/bin/sh
# What compose.yaml needs of the entrypoint of the image postgres:18-alpine: root prepares the data
# directory and reads the password, and the user postgres initializes it with a server that
# listens on its Unix socket only.
set -eu
export PGDATA="${PGDATA:-/var/lib/postgresql/18/docker}"
case "${1:-}" in postgres) ;; *) exec "$@" ;; esac

if [ "$(id -u)" = 0 ]; then
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
    export POSTGRES_PASSWORD
    unset POSTGRES_PASSWORD_FILE
  fi
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres:postgres "$PGDATA" /run/postgresql
  chmod 0700 "$PGDATA"
  chmod 3775 /run/postgresql
  exec /usr/bin/setpriv --reuid=70 --regid=70 --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE}"
  user="${POSTGRES_USER:-postgres}"
  database="${POSTGRES_DB:-$user}"
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" > /run/postgresql/password
  initdb --username="$user" --pwfile=/run/postgresql/password --no-locale --encoding=UTF8
  rm /run/postgresql/password
  printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
  [ "$database" = postgres ] || createdb --username="$user" --maintenance-db=postgres "$database"
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
unset POSTGRES_PASSWORD
exec "$@"
