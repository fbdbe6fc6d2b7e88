#!/bin/sh
# Builds the image and shows that it runs as in a restricted pod: `scripts/image.sh`.
#
# Where no image registry can be reached, the Dockerfile's stage `build` has no base. So the
# program is built here as that stage builds it, and handed to the Dockerfile's `prebuilt`; all
# other stages are the same. It is linked with musl where Rust's library for musl is there or
# rustup can get it. Where it cannot, a static program with glibc stands in, and a line says so:
# then the image's size and the run are still shown, and musl is not.
#
# Needs root: buildah's chroot isolation, a mount name space, and giving up root again.
set -eu
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}
TARGET=${CARGO_TARGET_DIR:-target}
ARCH=amd64 TRIPLE=x86_64-unknown-linux
if [ "$(uname -m)" = aarch64 ]; then ARCH=arm64 TRIPLE=aarch64-unknown-linux; fi

present() { ls "$(rustc --print target-libdir --target "$1")"/libstd-*.rlib >/dev/null 2>&1; }

target=$TRIPLE-musl
if ! present "$target" && command -v rustup >/dev/null 2>&1; then
    timeout 120 rustup target add "$target" || true
fi
export CARGO_PROFILE_RELEASE_STRIP=symbols
if present "$target"; then
    export "CC_$(echo "$target" | tr - _)=musl-gcc"
    libc=musl
else
    target=$TRIPLE-gnu libc=glibc
    export RUSTFLAGS='-C target-feature=+crt-static'
    echo "no Rust library for musl: a static program with glibc stands in" >&2
fi
$CARGO build --release --locked --bin larder --target "$target"

# What the stage `build` leaves in /out.
out=target/image/$ARCH
rm -rf "$out" && mkdir -p "$out/etc/ssl/certs"
cp "$TARGET/$target/release/larder" "$out/larder"
cp /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"

# A storage of its own, by copying: overlay file systems are not to be had everywhere.
storage=$(mktemp -d)
export STORAGE_DRIVER=vfs
CONTAINERS_STORAGE_CONF=$storage/storage.conf
export CONTAINERS_STORAGE_CONF
printf '[storage]\ndriver = "vfs"\nrunroot = "%s/run"\ngraphroot = "%s/root"\n' "$storage" "$storage" \
    >"$CONTAINERS_STORAGE_CONF"
container=''
finish() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    buildah rmi --all --force >/dev/null 2>&1 || true
    rm -rf "$storage"
}
trap finish EXIT

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
buildah build --isolation chroot --quiet --format oci \
    --build-arg BINARY=prebuilt --build-arg TARGETARCH="$ARCH" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" \
    --tag larder:"$version" . >/dev/null

buildah inspect --type image larder:"$version" >"$storage/image.json"
buildah push --quiet larder:"$version" "oci:$storage/oci" >/dev/null
container=$(buildah from --quiet larder:"$version")
root=$(buildah mount "$container")
# Private: what is mounted for the run is gone with it.
unshare --mount --propagation private \
    python3 scripts/image.py "$root" "$storage/image.json" "$storage/oci" "$libc" "$version" "$revision"
