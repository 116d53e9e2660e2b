FROM jettison-mission-base AS build
RUN apt-get update && apt-get install -y --no-install-recommends golang-go && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /src
COPY go.mod main.go ./
RUN CGO_ENABLED=0 go build -trimpath -o /usr/local/bin/web . && rm -rf /root/.cache

# Onto the smallest base that has a shell.
FROM jettison-mission-busybox
COPY --from=build /usr/local/bin/web /bin/
EXPOSE 8080
CMD web
