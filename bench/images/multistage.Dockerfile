# Built in one stage, shipped in another.
FROM debian:bookworm AS build
COPY host/ /
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
RUN printf '#include <stdio.h>\nint main(void){puts("hello");return 0;}\n' > /hello.c && gcc -g -o /hello /hello.c
FROM debian:bookworm
COPY --from=build /hello /usr/local/bin/hello
COPY --from=build /usr/lib/gcc /usr/lib/gcc
COPY --from=build /usr/include /usr/include
COPY --from=build /hello /opt/hello
RUN ln /opt/hello /opt/hello.link && rm -rf /usr/lib/gcc/*/*/plugin
CMD ["hello"]
