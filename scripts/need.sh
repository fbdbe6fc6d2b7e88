#!/bin/sh
# Makes sure that programs are there: `scripts/need.sh cc wrk nginx`.
#
# What is missing is installed with apt, as root or through sudo without a password; where
# neither works, one line names the package and the script fails. Parts of the Rust tool
# chain (rustfmt, clippy) come from rustup where it is there; for a cargo of Debian's, the line
# names its packages. cargo-deny is built from source.
set -eu

# The Debian package that a program comes in.
package_of() {
    case "$1" in
        cc) echo gcc libc6-dev ;;
        taskset) echo util-linux ;;
        h2load) echo nghttp2-client ;;
        node) echo nodejs ;;
        promtool) echo prometheus ;;
        redis-benchmark) echo redis-tools ;;
        varnishd) echo varnish ;;
        venv) echo python3-venv ;;
        musl-gcc) echo musl-tools ;;
        setpriv | unshare) echo util-linux ;;
        *) echo "$1" ;;
    esac
}

# Servers stand where an ordinary user's PATH does not look.
present() {
    case "$1" in
        rustfmt) cargo fmt --version >/dev/null 2>&1 ;;
        clippy) cargo clippy --version >/dev/null 2>&1 ;;
        cargo-deny) cargo deny --version >/dev/null 2>&1 ;;
        venv) python3 -c 'import ensurepip' >/dev/null 2>&1 ;;
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Packaged servers start themselves when installed; a policy of "no" keeps them from taking
# ports on somebody's machine. An existing policy is left alone.
POLICY=/usr/sbin/policy-rc.d
forbid_services() {
    [ -e "$POLICY" ] && return
    trap '$AS_ROOT rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $AS_ROOT tee "$POLICY" >/dev/null
    $AS_ROOT chmod 755 "$POLICY"
}

packages='' components='' debian='' crates=''
for program in "$@"; do
    present "$program" && continue
    case "$program" in
        rustfmt) components="$components rustfmt" debian="$debian rustfmt" ;;
        clippy) components="$components clippy" debian="$debian rust-clippy" ;;
        cargo-deny) crates="$crates cargo-deny" ;;
        *) packages="$packages $(package_of "$program")" ;;
    esac
done

if [ -n "$components" ]; then
    if ! command -v rustup >/dev/null 2>&1; then
        echo "missing:$components; with rustup: rustup component add$components;" \
            "with Debian's cargo: apt-get install$debian" >&2
        exit 1
    fi
    # One word a component.
    # shellcheck disable=SC2086
    rustup component add $components
fi

if [ -n "$crates" ]; then
    echo "installing$crates, which takes some minutes" >&2
    # shellcheck disable=SC2086
    cargo install --locked --quiet $crates
fi

[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    AS_ROOT=''
elif sudo -n true 2>/dev/null; then
    AS_ROOT='sudo -n'
else
    AS_ROOT=none
fi
if [ "$AS_ROOT" = none ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing: install the Debian packages$packages (apt-get install$packages)" >&2
    exit 1
fi

forbid_services
# One word a package.
# shellcheck disable=SC2086
install() {
    $AS_ROOT env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $packages >/dev/null
}
# An index that is too old names versions that are gone: fetch it again only then.
install 2>/dev/null || { $AS_ROOT apt-get update -qq && install; } || {
    echo "apt-get could not install$packages" >&2
    exit 1
}
