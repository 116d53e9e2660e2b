# pip's cache, byte-code, two copies of a package.
FROM debian:bookworm
COPY host/ /
ENV PIP_CERT=/etc/host-ca.crt
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip python3-venv
RUN pip install --break-system-packages requests flask
RUN python3 -m venv /venv && /venv/bin/pip install requests==2.31.0 && /venv/bin/python -m compileall -q /venv
RUN apt-get remove -y python3-venv && apt-get clean
CMD ["flask", "--version"]
