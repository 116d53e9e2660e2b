#!/usr/bin/env python3
"""Small reports: report COMMAND FILE [ARGUMENT]."""
import sys


def summary(path, _):
    import pandas as pd

    print(pd.read_csv(path).groupby("fruit").price.agg(["mean", "count"]).to_markdown())


def convert(path, target):
    import pandas as pd

    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": pd.read_excel, "json": pd.read_json, "pkl": pd.read_pickle, "feather": pd.read_feather, "xml": pd.read_xml}
    frame = read[path.removesuffix(".gz").rsplit(".", 1)[1]](path)
    kind = target.rsplit(".", 1)[1]
    keep = {} if kind in ("json", "pkl", "feather") else {"index": False}
    getattr(frame, {"pkl": "to_pickle", "xlsx": "to_excel"}.get(kind, f"to_{kind}"))(target, **keep)
    print(len(frame))


def plot(path, target):
    import matplotlib

    matplotlib.use("Agg")
    import pandas as pd

    axes = pd.read_csv(path).plot(x="fruit", y="price", kind="bar", title="größer $\\alpha^2$")
    axes.figure.savefig(target)


def solve(*_):
    import numpy as np

    print(np.linalg.solve(np.array([[3.0, 1], [1, 2]]), np.array([9.0, 8])).round(3).tolist(), np.fft.fft([1, 0, 0, 0]).real.sum())
    print(np.random.default_rng(1).integers(10, size=3).shape, np.linalg.svd(np.eye(3))[1].sum())


def days(zone, _):
    import pandas as pd

    print(pd.Timestamp("2024-07-01 12:00", tz="UTC").tz_convert(zone).strftime("%H:%M %Z"), pd.bdate_range("2024-07-01", periods=6)[-1].date())


def query(path, sql):
    import pandas as pd
    from sqlalchemy import create_engine

    engine = create_engine("sqlite://")
    pd.read_csv(path).to_sql("t", engine)
    print(pd.read_sql(sql, engine).to_string(index=False))


def parallel(*_):
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as pool:
        print(sum(pool.map(abs, range(-10, 0))))


commands = {f.__name__: f for f in (summary, convert, plot, solve, days, query, parallel)}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit("usage: report " + "|".join(commands))
commands[sys.argv[1]](*(sys.argv[2:] + [None, None])[:2])
