# 100 MB that are written by one instruction and removed by the next.
FROM jettison-mission-busybox
RUN dd if=/dev/zero of=/large bs=1000000 count=100
RUN rm /large
