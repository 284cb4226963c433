#!/usr/bin/env bash
# Installs the real servers that the lab, the tests and the benches start by themselves, and a browser.
# They are not started as services: whatever the packages would start is prevented.
set -euo pipefail

packages=(
  redis-server redis-sentinel memcached nats-server postgresql pgbouncer haproxy nginx-light
  fonts-dejavu-core fonts-nanum wrk
)
# The first has no windows, and takes less than half the time of a processor for the same pages; not every archive has it.
browsers=(chromium-headless-shell chromium)

if ! command -v apt-get >/dev/null; then
  echo "Cannot install the servers as there is no apt-get: install ${packages[*]} ${browsers[1]} with your system's package manager." >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo 'Cannot install the servers without being root: run sudo npm run servers.' >&2
  exit 1
fi

is_installed() {
  dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing=()
for package in "${packages[@]}"; do
  if ! is_installed "$package"; then missing+=("$package"); fi
done
if [ "${#missing[@]}" -eq 0 ] && is_installed "${browsers[0]}"; then
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
install() {
  apt-get install -y -q --no-install-recommends "$@"
}
if [ "${#missing[@]}" -gt 0 ]; then install "${missing[@]}"; fi
install "${browsers[0]}" || is_installed "${browsers[1]}" || install "${browsers[1]}"
