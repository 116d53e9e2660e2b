# A file, and a directory, that a later layer removes: both still ship.
FROM debian:bookworm
COPY host/ /
RUN apt-get update && apt-get install -y --no-install-recommends redis-server
RUN head -c 60000000 /dev/urandom > /root/dump.bin
RUN mkdir -p /srv/cache/a/b && for i in $(seq 300); do head -c 20000 /dev/urandom > /srv/cache/a/b/$i; done
RUN rm /root/dump.bin && rm -rf /srv/cache /usr/share/doc
RUN rm -rf /var/lib/apt/lists/*
CMD ["redis-server"]
