# The compiler alone, caches removed in the instruction that fills them.
FROM jettison-mission-base
RUN apt-get update && apt-get install -y --no-install-recommends golang-go && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /src
COPY go.mod main.go ./
RUN CGO_ENABLED=0 go build -trimpath -o /usr/local/bin/web . && rm -rf /root/.cache
EXPOSE 8080
CMD ["web"]
