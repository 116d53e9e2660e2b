# The same, cleaned in the instruction that installs.
FROM jettison-mission-base
RUN apt-get update && apt-get install -y nginx && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY site/ /var/www/html/
RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
