# Larder in an image of two files: a static program, and the certificates of the usual authorities.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t larder .
#
# For other architectures: docker buildx build --platform linux/amd64,linux/arm64 … Each is
# compiled on its own platform, emulated where it is not the machine's.

# Any image with cargo, gcc, musl's headers and certificates; Alpine's C library is musl.
ARG RUST_IMAGE=docker.io/library/rust:1.95-alpine
# The stage that has the program: `build` makes it, `prebuilt` takes what is there.
ARG BINARY=build

FROM ${RUST_IMAGE} AS build
ARG TARGETARCH
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches/policy.rs benches/
COPY config config
COPY src src
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
# Builders without BuildKit set no TARGETARCH.
RUN case "${TARGETARCH:-$(uname -m)}" in \
        amd64 | x86_64) target=x86_64-unknown-linux-musl ;; \
        arm64 | aarch64) target=aarch64-unknown-linux-musl ;; \
        *) echo "no target for ${TARGETARCH:-$(uname -m)}" >&2; exit 1 ;; \
    esac \
    && cargo build --release --locked --bin larder --target "$target" \
    && mkdir -p /out/etc/ssl/certs \
    && cp "target/$target/release/larder" /out/larder \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch AS prebuilt
ARG TARGETARCH
COPY target/image/${TARGETARCH}/ /out/

FROM ${BINARY} AS binary

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Larder" \
      org.opencontainers.image.description="A caching reverse-proxy sidecar that explains itself" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=binary /out/ /
# Where `larder serve` looks for larder.yaml: mount a directory here.
WORKDIR /etc/larder
USER 65532:65532
# 8080 is for clients; 9321, the admin port, for probes and Prometheus alone.
EXPOSE 8080 9321
ENTRYPOINT ["/larder"]
CMD ["serve"]
