#!/bin/sh
# Entry point of the archives of a release: runs the plugin with the Node.js of the archive.
# Krew and users install a symbolic link to this file.
self=$(readlink -f "$0")
exec "${self%/*}/node" "${self%/*}/dist/cli/bin.js" "$@"
