# Built elsewhere, copied onto a distribution.
FROM jettison-mission-base
COPY web /usr/local/bin/
EXPOSE 8080
CMD ["web"]
