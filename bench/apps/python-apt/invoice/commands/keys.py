import io

import paramiko


def main():
    key = paramiko.ECDSAKey.generate()
    out = io.StringIO()
    key.write_private_key(out, password="x")
    print(paramiko.ECDSAKey.from_private_key(io.StringIO(out.getvalue()), "x").get_name())
