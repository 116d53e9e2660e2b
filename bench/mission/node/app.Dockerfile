# Dependencies, tests and the result, each in its stage; a tool comes from another image.
FROM jettison-mission-base AS node
ENV NODE_ENV=production NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update && apt-get install -y --no-install-recommends nodejs \
    && { command -v npm > /dev/null || apt-get install -y --no-install-recommends npm; } \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /app

FROM node AS dependencies
COPY package*.json ./
RUN npm install --omit=dev --no-audit --no-fund && rm -rf /root/.npm

FROM dependencies AS test
RUN npm install --include=dev --no-audit --no-fund && rm -rf /root/.npm
COPY . .
RUN npm test && rm -rf /root/.npm

FROM node AS release
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=jettison-mission-busybox /bin/busybox /usr/local/bin/healthy
COPY --chown=www-data:www-data server.js package.json README* ./
USER www-data
EXPOSE 3000
HEALTHCHECK --interval=30s CMD ["healthy", "wget", "-q", "-O", "-", "http://localhost:3000/"]
CMD ["node", "server.js"]
