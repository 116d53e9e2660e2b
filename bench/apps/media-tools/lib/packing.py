import os, subprocess, tempfile


def pack(body, args):
    with tempfile.TemporaryDirectory(dir="/spool") as d:
        open(d + "/x", "wb").write(body)
        kind = args.get("kind", "zip")
        os.system(f"cd {d} && " + {"zip": "zip -q out.zip x", "7z": "7z a out.7z x > /dev/null", "tar": "tar czf out.tar x", "xz": "tar cJf out.xz x", "bz2": "tar cjf out.bz2 x", "zst": "tar --zstd -cf out.zst x"}[kind])
        return open(f"{d}/out.{kind}", "rb").read()
