#!/bin/sh
# Installs Debian packages where that can be done, and says what to install elsewhere.
# usage: sh tests/apt.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # policy-rc.d keeps the packaged RabbitMQ from starting: the tests start their own.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    # shellcheck disable=SC2086 -- the names are words
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
    exit 0
fi

echo "Something is missing that make needs; install it and run make again:$missing" >&2
echo "(Debian and Ubuntu: sudo apt-get install$missing)" >&2
exit 1
