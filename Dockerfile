# The image of the container action and of the command line, and with
# `--target bot` that of the companion bot. Both base images are arguments: with
# local ones it is built without a network, as long as GO_IMAGE has the modules
# and BASE_IMAGE has git and CA certificates.
ARG GO_IMAGE=golang:1.26-alpine
ARG BASE_IMAGE=alpine:3.22

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /out/slipway ./cmd/slipway && mkdir /out/data

FROM ${BASE_IMAGE} AS command
RUN { command -v git && test -s /etc/ssl/certs/ca-certificates.crt; } >/dev/null || apk add --no-cache git ca-certificates
COPY --from=build /out/slipway /usr/local/bin/slipway

# The bot: docs/bot.md. Its database, clones and work are in the volume.
FROM command AS bot
COPY --from=build --chown=65532:65532 /out/data /var/lib/slipway-bot
ENV HOME=/var/lib/slipway-bot SLIPWAY_BOT_DATA=/var/lib/slipway-bot SLIPWAY_BOT_LISTEN=:8484
USER 65532:65532
WORKDIR /var/lib/slipway-bot
VOLUME /var/lib/slipway-bot
EXPOSE 8484
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/local/bin/slipway", "bot", "ready"]
ENTRYPOINT ["/usr/local/bin/slipway", "bot"]

# The action, which is what a runner builds: the last stage.
FROM command
ENTRYPOINT ["/usr/local/bin/slipway", "action"]
