#!/bin/sh
# Calls a gRPC server through Larder, by the C implementation that most languages' gRPC is made of:
# `scripts/grpc.sh`.
#
# LARDER names the binary (target/debug/larder). grpcio comes from PyPI, once, into the target directory.
set -eu
cd "$(dirname "$0")/.."

GRPC=1.85.3
TARGET=${CARGO_TARGET_DIR:-target}
TOOLS=$TARGET/grpc/tools
STAMP=$TOOLS/$GRPC

if [ ! -e "$STAMP" ]; then
    rm -rf "$TOOLS"
    python3 -m venv "$TOOLS"
    "$TOOLS/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "grpcio==$GRPC"
    touch "$STAMP"
fi

export LARDER="${LARDER:-$TARGET/debug/larder}"
exec "$TOOLS/bin/python" scripts/grpc_calls.py "$@"
