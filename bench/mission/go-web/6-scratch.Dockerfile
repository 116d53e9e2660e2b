FROM jettison-mission-base AS build
RUN apt-get update && apt-get install -y --no-install-recommends golang-go && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /src
COPY go.mod main.go ./
RUN CGO_ENABLED=0 go build -trimpath -o /usr/local/bin/web . && rm -rf /root/.cache

# Onto nothing.
FROM scratch
COPY --from=0 /usr/local/bin/web /web
EXPOSE 8080
ENTRYPOINT ["/web"]
