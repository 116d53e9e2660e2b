def sniff(body, args):
    import magic
    return magic.from_buffer(body, mime=True).encode()
