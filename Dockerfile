# The image of the container action and of the command line. Both base images
# are arguments: with local ones it is built without a network, as long as
# GO_IMAGE has the modules and BASE_IMAGE has git and CA certificates.
ARG GO_IMAGE=golang:1.26-alpine
ARG BASE_IMAGE=alpine:3.22

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /out/slipway ./cmd/slipway

FROM ${BASE_IMAGE}
RUN { command -v git && test -s /etc/ssl/certs/ca-certificates.crt; } >/dev/null || apk add --no-cache git ca-certificates
COPY --from=build /out/slipway /usr/local/bin/slipway
ENTRYPOINT ["/usr/local/bin/slipway", "action"]
