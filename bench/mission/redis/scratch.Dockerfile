# The programs and what ldd says of them, on nothing.
FROM jettison-mission-base AS build
RUN sed -i "s/^Types: deb$/Types: deb deb-src/" $(grep -l debian-archive /etc/apt/sources.list.d/*.sources)
RUN apt-get update
RUN apt-get install -y build-essential dpkg-dev
WORKDIR /src
RUN apt-get source redis
RUN cd redis-* && SOURCE_DATE_EPOCH=1700000000 make -j2 MALLOC=libc BUILD_TLS=no CFLAGS=-g0 OPTIMIZATION=-O1 V=1
RUN cd redis-*/src && install -s redis-server redis-cli redis-benchmark /usr/local/bin/
RUN mkdir /root-of-image && cp --parents --dereference \
    $(ldd /usr/local/bin/redis-server | grep -o '/[^ ]*') /usr/local/bin/redis-server /root-of-image

FROM scratch
COPY --from=build /root-of-image /
EXPOSE 6379
ENTRYPOINT ["/usr/local/bin/redis-server"]
CMD ["--protected-mode", "no"]
