# Built in one stage, copied onto the base in another.
FROM jettison-mission-base AS build
RUN sed -i "s/^Types: deb$/Types: deb deb-src/" $(grep -l debian-archive /etc/apt/sources.list.d/*.sources)
RUN apt-get update
RUN apt-get install -y build-essential dpkg-dev
WORKDIR /src
RUN apt-get source redis
RUN cd redis-* && SOURCE_DATE_EPOCH=1700000000 make -j2 MALLOC=libc BUILD_TLS=no CFLAGS=-g0 OPTIMIZATION=-O1 V=1
RUN cd redis-*/src && install -s redis-server redis-cli redis-benchmark /usr/local/bin/

FROM jettison-mission-base
COPY --from=build /usr/local/bin/redis-* /usr/local/bin/
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
