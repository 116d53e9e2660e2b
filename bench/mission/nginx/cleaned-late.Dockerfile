# Cleaned by an instruction of its own, which saves nothing unless layers are put together.
FROM jettison-mission-base
RUN apt-get update
RUN apt-get install -y nginx
COPY site/ /var/www/html/
RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
RUN rm -rf /var/lib/apt/lists/* /var/cache/apt/*
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
