# The compiler with all that is recommended with it, the sources and the caches.
FROM jettison-mission-base
RUN apt-get update && apt-get install -y golang-go
WORKDIR /src
COPY go.mod main.go ./
RUN CGO_ENABLED=0 go build -trimpath -o /usr/local/bin/web .
EXPOSE 8080
CMD ["web"]
