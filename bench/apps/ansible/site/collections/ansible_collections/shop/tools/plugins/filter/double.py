class FilterModule:
    def filters(self):
        return {"double": lambda n: n * 2}
