# The same in one instruction: what is removed at its end was never in a layer.
FROM jettison-mission-base
RUN set -e; \
    sed -i "s/^Types: deb$/Types: deb deb-src/" $(grep -l debian-archive /etc/apt/sources.list.d/*.sources); \
    apt-get update; \
    apt-get install -y build-essential dpkg-dev; \
    mkdir /src; cd /src; \
    apt-get source redis; \
    cd redis-*; \
    SOURCE_DATE_EPOCH=1700000000 make -j2 MALLOC=libc BUILD_TLS=no CFLAGS=-g0 OPTIMIZATION=-O1 V=1; \
    cd src; \
    install -s redis-server redis-cli redis-benchmark /usr/local/bin/; \
    cd /; rm -rf /src/*; \
    apt-get purge -y --autoremove build-essential dpkg-dev; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /src
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
