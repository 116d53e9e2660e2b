# npm's cache, nested copies of packages, a repository left behind.
FROM debian:bookworm
COPY host/ /
ENV NODE_EXTRA_CA_CERTS=/etc/host-ca.crt
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm git ca-certificates
WORKDIR /app
RUN npm init -y && npm install --no-audit --no-fund express@4 && npm install --no-audit --no-fund --prefix /other express@4
RUN git init -q . && git add . && git -c user.name=x -c user.email=x@example.org commit -qm all
RUN npm prune --omit=dev
CMD ["node", "-e", "require('express')"]
