import requests


def main(url, authority=True):
    try:
        print(requests.get(url, verify=authority, timeout=5).text, end="")
    except requests.exceptions.SSLError as error:
        raise SystemExit(f"not trusted: {error}")
