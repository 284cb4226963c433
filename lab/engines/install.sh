#!/usr/bin/env bash
# Installs the real servers that the lab, the tests and the benches start by themselves, and a browser.
# They are not started as services: whatever the packages would start is prevented.
# The browser is the one without windows: pages cost it less than half of what they cost the whole one.
set -euo pipefail

packages=(
  redis-server redis-sentinel memcached nats-server postgresql haproxy nginx-light
  chromium-headless-shell fonts-dejavu-core fonts-nanum wrk
)

if ! command -v apt-get >/dev/null; then
  echo "Cannot install the servers as there is no apt-get: install ${packages[*]} with your system's package manager." >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo 'Cannot install the servers without being root: run sudo npm run servers.' >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then missing+=("$package"); fi
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo 'All servers are installed.'
  exit 0
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
