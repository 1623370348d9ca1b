# The image of paymentd: the binary, and nothing that could run anything else.
#
#	docker build -t paymentd .
#	docker run -p 127.0.0.1:3000:3000 -v paymentd:/data -e PAYMENTD_API_KEYS=… -e PAYMENTD_GATEWAY=sandbox: paymentd
#
# Images are named by their tags, because a tag's digest is only known after a pull. To pin one, run `docker pull`
# and `docker images --digests`, and write golang:1.26-bookworm@sha256:…
#
# No RUN --mount and no syntax line: builders without BuildKit build it as well.

FROM golang:1.26-bookworm AS modules
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download

# `make test`, with what it needs already there; see the profile "tests" in docker-compose.yml.
FROM modules AS tests
COPY tools/provision.sh tools/
RUN tools/provision.sh && rm -rf /var/lib/apt/lists/*
COPY . .
RUN go mod download
CMD ["make", "test"]

# Only what is compiled is copied, so that other changes leave the layers as they are. Most of
# the work is SQLite: it is done once, until go.mod changes.
FROM modules AS build
RUN CGO_ENABLED=0 go build -trimpath modernc.org/sqlite
COPY adapters adapters
COPY app app
COPY core core
COPY internal internal
COPY ports ports
COPY sql sql
COPY Makefile ./
ARG VERSION=devel
RUN make build VERSION="$VERSION"
# There is no mkdir in scratch.
RUN mkdir /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# A new volume takes its owner from the folder that it is mounted on.
COPY --from=build --chown=65532:65532 /data /data
COPY --from=build /src/bin/paymentd /usr/bin/paymentd

# A number, because there is no /etc/passwd; no system assigns this one to another user.
USER 65532:65532
# The folder of the default database and of the sandbox's ledger.
WORKDIR /data
# Not a loopback address: the service does not start without an API key, such as of PAYMENTD_API_KEYS, nor
# without PAYMENTD_GATEWAY.
ENV PAYMENTD_ADDR=0.0.0.0:3000
# Nine tenths of a memory limit of 512 MiB. For a container with another limit, set nine tenths of that.
ENV GOMEMLIMIT=460MiB
EXPOSE 3000
# Alive, not ready: an orchestrator restarts the container on failure, which repairs no database.
HEALTHCHECK --interval=10s --timeout=5s --start-period=1m \
	CMD ["/usr/bin/paymentd", "health", "http://127.0.0.1:3000/healthz"]
ENTRYPOINT ["/usr/bin/paymentd"]
CMD ["serve"]
