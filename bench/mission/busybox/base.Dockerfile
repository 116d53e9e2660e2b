# BusyBox and nothing else.
FROM jettison-mission-base AS packages
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static
RUN mkdir -p /root-of-image/bin /root-of-image/tmp /root-of-image/etc && chmod 1777 /root-of-image/tmp \
    && cp /bin/busybox /root-of-image/bin/ && echo 'root:x:0:0:root:/:/bin/sh' > /root-of-image/etc/passwd \
    && for name in $(busybox --list); do ln -s busybox /root-of-image/bin/$name 2> /dev/null || true; done

FROM scratch
COPY --from=packages /root-of-image/ /
CMD ["sh"]
