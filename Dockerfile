# Two stages: built on the Rust image, run on a bare Debian of the same release with the CA certificates TLS needs.
# docker build -t dingtalk-relay:0.1.0 .
FROM docker.io/library/rust:1-slim-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY config config
# `demo` posts these; they are built in.
COPY tests/fixtures tests/fixtures
COPY src src
RUN cargo build --release --locked --bin dingtalk-relay

FROM docker.io/library/debian:bookworm-slim
# Not pinned: an old CA list is worse than an unknown one.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/dingtalk-relay
COPY LICENSE /usr/share/doc/dingtalk-relay/LICENSE
COPY --from=build /build/target/release/dingtalk-relay /usr/local/bin/dingtalk-relay
USER 10001:10001
# The database goes here, unless `store.url` says otherwise. All else may be read-only.
WORKDIR /var/lib/dingtalk-relay
VOLUME /var/lib/dingtalk-relay
# The page, the API and the metrics are reached from outside only if `admin.listen` says so, as in deploy/base.
EXPOSE 8060 8061
ENTRYPOINT ["dingtalk-relay"]
CMD ["serve", "--config", "/etc/dingtalk-relay"]
