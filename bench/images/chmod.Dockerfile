# Owner and mode changed afterwards: every byte ships twice.
FROM debian:bookworm
RUN mkdir /app && head -c 40000000 /dev/urandom > /app/model && for i in $(seq 500); do head -c 30000 /dev/urandom > /app/$i; done
RUN chown -R 1000:1000 /app
RUN chmod 0700 /app/model
RUN touch /app/1 /app/2 /app/3 && echo changed > /app/4
RUN mv /app/model /app/weights
CMD ["ls", "/app"]
