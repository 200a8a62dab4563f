#!/usr/bin/env bash
# Install the distribution's Chromium, for the tests of the page.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "error: Chromium is missing; as root, on Debian: apt-get install chromium;" \
        "elsewhere: .venv/bin/playwright install chromium" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
timeout 120 apt-get update -qq
timeout 600 apt-get install -y -qq --no-install-recommends chromium >/dev/null
