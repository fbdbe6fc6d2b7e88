#!/bin/sh
# Checks the alerts and the dashboard: with promtool alone, and with a real Prometheus that
# scrapes real Larders. `LARDER=target/release/larder scripts/monitoring.sh` takes another binary.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh python3 openssl redis-server promtool prometheus
exec python3 scripts/monitoring.py "$@"
