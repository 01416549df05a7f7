# Two stages: build on the Rust image, run on a bare Debian with the CA bundle that TLS needs.
FROM docker.io/library/rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY config config
COPY tests/fixtures tests/fixtures
RUN cargo build --release --locked --bin dingtalk-relay

FROM docker.io/library/debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 /var/lib/dingtalk-relay
COPY --from=build /build/target/release/dingtalk-relay /usr/local/bin/dingtalk-relay
USER 10001:10001
WORKDIR /var/lib/dingtalk-relay
VOLUME /var/lib/dingtalk-relay
EXPOSE 8060 8061
ENTRYPOINT ["dingtalk-relay"]
CMD ["serve", "--config", "/etc/dingtalk-relay"]
