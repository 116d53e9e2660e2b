import sys

from docutils.core import publish_string


def main(writer):
    print(publish_string(sys.stdin.read(), writer_name=writer, settings_overrides={"language_code": "de"}).decode())
