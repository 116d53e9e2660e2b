import importlib.resources
import sys

import jinja2
import yaml


def main(kind="txt"):
    template = importlib.resources.files("invoice").joinpath(f"templates/invoice.{kind}").read_text()
    print(jinja2.Template(template).render(yaml.safe_load(sys.stdin)))
