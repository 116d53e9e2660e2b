# nginx, and all that its installation leaves behind.
FROM jettison-mission-base
RUN apt-get update
RUN apt-get install -y nginx
COPY site/ /var/www/html/
RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
