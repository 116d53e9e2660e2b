# Logs, temporary files, links of every kind, a directory replaced by a file.
FROM debian:bookworm
COPY host/ /
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light libssl-dev
RUN head -c 5000000 /dev/urandom > /var/log/old.log && head -c 3000000 /dev/urandom > /tmp/left && cp /tmp/left /var/tmp/again
RUN mkdir /srv/d && head -c 1000000 /dev/urandom > /srv/d/f && ln /srv/d/f /srv/d/g && ln -s d /srv/l
RUN rm /srv/d/f && head -c 2000000 /dev/urandom > /srv/x
RUN rm -rf /srv/d && echo file > /srv/d && head -c 1000000 /dev/urandom > /srv/x
RUN rm /srv/x && mkdir /srv/x && head -c 700000 /dev/urandom > /srv/x/y
CMD ["nginx", "-g", "daemon off;"]
