#!/bin/sh
# Chromium for the browser tests. Nothing is installed on a person's machine unasked: there the browser tests are skipped.
# Under CI=true nothing may be skipped, so Debian's package is installed where no browser is found.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done

if [ "${CI:-}" != true ]; then
    echo "no chromium found: the browser tests will be skipped (Debian, Ubuntu: apt-get install chromium)"
    exit 0
fi

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "no chromium found, and no right to install it: ask for the package chromium" >&2
    exit 1
fi

if ! command -v apt-get >/dev/null; then
    echo "no chromium found, and no apt-get to install it with: install chromium" >&2
    exit 1
fi

$as_root apt-get update -qq </dev/null
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium </dev/null >/dev/null
command -v chromium
