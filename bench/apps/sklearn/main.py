import importlib
import io
import os
import sys
import tempfile

import joblib
import numpy as np
from fastapi import FastAPI, HTTPException, Response, UploadFile, WebSocket
from pydantic import BaseModel, Field

app = FastAPI(title="Flowers")
here = os.path.dirname(__file__)


class Flower(BaseModel):
    sizes: list[float] = Field(min_length=4, max_length=4)


@app.get("/health")
def health():
    return {"fine": True}


@app.post("/predict/{model}")
def predict(model: str, flower: Flower):
    try:
        model = joblib.load(f"{here}/{model}.joblib")
    except FileNotFoundError:
        raise HTTPException(404, "no such model")
    return {"class": int(model.predict([flower.sizes])[0]), "sure": round(float(model.predict_proba([flower.sizes]).max()), 1)}


@app.get("/text")
def text(q: str):
    return {"class": int(joblib.load(f"{here}/text.joblib").predict([q])[0])}


@app.get("/cluster/{method}")
def cluster(method: str):
    from sklearn.datasets import make_blobs

    module, name = {"kmeans": ("cluster", "KMeans"), "dbscan": ("cluster", "DBSCAN"), "tree": ("cluster", "AgglomerativeClustering"),
                    "mixture": ("mixture", "GaussianMixture"), "pca": ("decomposition", "PCA"), "tsne": ("manifold", "TSNE")}[method]
    x, _ = make_blobs(60, centers=3, cluster_std=0.3, random_state=1)
    kind = getattr(importlib.import_module(f"sklearn.{module}"), name)
    if method in ("pca", "tsne"):
        return {"shape": kind(n_components=2).fit_transform(x).shape}
    options = {"mixture": {"n_components": 3, "random_state": 0}, "dbscan": {}}.get(method, {"n_clusters": 3})
    return {"groups": len(set(kind(**options).fit_predict(x)) - {-1})}


@app.get("/dataset/{name}")
def dataset(name: str):
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    return {"shape": data.data.shape, "first": data.DESCR.strip().splitlines()[0]}


@app.get("/scores")
def scores(jobs: int = 1):
    from sklearn.datasets import load_wine
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_score

    x, y = load_wine(return_X_y=True)
    return {"good": bool(cross_val_score(HistGradientBoostingClassifier(max_iter=10), x, y, cv=3, n_jobs=jobs).mean() > 0.8)}


@app.get("/science/{topic}")
def science(topic: str):
    if topic == "integrate":
        from scipy.integrate import quad, solve_ivp
        return {"area": round(quad(np.sin, 0, np.pi)[0], 6), "end": round(float(solve_ivp(lambda t, y: -y, (0, 1), [1.0], method="LSODA").y[0, -1]), 2)}
    if topic == "optimize":
        from scipy.optimize import curve_fit, linprog, minimize
        return {"x": [round(float(v), 2) for v in minimize(lambda v: (v[0] - 1) ** 2 + (v[1] + 2) ** 2, [0, 0]).x], "lp": float(linprog([-1, -1], A_ub=[[1, 2]], b_ub=[4], method="highs").fun)}
    if topic == "signal":
        from scipy.fft import rfft
        from scipy.signal import butter, lfilter
        return {"peak": int(np.argmax(np.abs(rfft(np.sin(np.arange(64) * 2 * np.pi * 5 / 64))))), "order": len(butter(4, 0.2)[0])}
    if topic == "sparse":
        from scipy.sparse import csr_matrix, eye
        from scipy.sparse.linalg import eigsh, spsolve
        return {"sum": float(spsolve((eye(4) * 2).tocsc(), np.ones(4)).sum()), "eig": round(float(eigsh(csr_matrix(np.diag(np.arange(1.0, 9))), 1)[0][0]), 3)}
    if topic == "stats":
        from scipy import stats
        return {"p": round(float(stats.ttest_ind([1, 2, 3, 4], [5, 6, 7, 8]).pvalue), 3), "norm": round(float(stats.norm.cdf(1.96)), 3), "gamma": round(float(stats.gamma(2).mean()), 1)}
    if topic == "space":
        from scipy.ndimage import gaussian_filter
        from scipy.spatial import ConvexHull, Delaunay, cKDTree
        points = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]])
        return {"hull": len(ConvexHull(points).vertices), "triangles": len(Delaunay(points).simplices), "near": int(cKDTree(points).query([0.9, 0.9])[1]), "blur": round(float(gaussian_filter(np.eye(5), 1)[2, 2]), 2)}
    if topic == "files":
        from scipy.io import loadmat, savemat, wavfile
        buffer = io.BytesIO(); savemat(buffer, {"a": np.arange(3)}); wave = io.BytesIO(); wavfile.write(wave, 8000, np.zeros(8, dtype=np.int16))
        return {"a": loadmat(buffer)["a"].tolist(), "wave": wave.getvalue()[:4].decode()}
    if topic == "special":
        from scipy.special import erf, gamma, jv
        return {"gamma": float(gamma(5)), "erf": round(float(erf(1)), 4), "bessel": round(float(jv(0, 1)), 4)}
    raise HTTPException(404)


@app.get("/plot.{kind}")
def plot(kind: str, style: str = "default", font: str = "DejaVu Sans", text: str = "Fläche"):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.style.context(style):
        plt.rcParams["font.family"] = font
        figure, (left, right) = plt.subplots(1, 2)
        left.plot([1, 2, 3], [3, 1, 2], label="plum")
        left.set_title(f"{text} $\\frac{{a}}{{\\sqrt{{b}}}}$")
        left.legend()
        right.imshow(np.arange(16).reshape(4, 4), cmap="viridis")
        out = io.BytesIO()
        try:
            figure.savefig(out, format=kind)
        except ValueError as error:
            raise HTTPException(400, str(error))
        finally:
            plt.close(figure)
    return Response(out.getvalue())


@app.get("/surface.png")
def surface():
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure()
    axes = figure.add_subplot(projection="3d")
    x, y = np.meshgrid(range(5), range(5))
    axes.plot_surface(x, y, x * y, cmap="plasma")
    out = io.BytesIO()
    figure.savefig(out)
    return Response(out.getvalue(), media_type="image/png")


@app.get("/film.gif")
def film():
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation

    figure, axes = plt.subplots()
    line, = axes.plot([0, 1], [0, 1])
    with tempfile.NamedTemporaryFile(suffix=".gif") as file:
        FuncAnimation(figure, lambda n: line.set_data([0, 1], [0, n]), frames=3).save(file.name, writer="pillow")
        return Response(file.read(), media_type="image/gif")


@app.get("/pairs.svg")
def pairs():
    import seaborn as sns
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 4, 6, 9], "kind": list("xyxy")})
    out = io.BytesIO()
    sns.catplot(frame, x="kind", y="b", kind="violin").savefig(out, format="svg")
    return Response(out.getvalue(), media_type="image/svg+xml")


@app.get("/tree")
def tree(kind: str = "text"):
    from sklearn.tree import export_graphviz, export_text

    model = joblib.load(f"{here}/tree.joblib")
    if kind == "text":
        return export_text(model)
    import subprocess
    return Response(subprocess.run(["dot", f"-T{kind}"], input=export_graphviz(model).encode(), capture_output=True, check=True).stdout)


@app.post("/table")
def table(file: UploadFile):
    import pandas as pd

    frame = pd.read_csv(file.file)
    return {"mean": frame.mean(numeric_only=True).to_dict(), "html": frame.to_html(), "latex": frame.to_json(orient="split"), "months": frame.assign(d=pd.date_range("2024-01-31", periods=len(frame), freq="ME")).d.dt.month_name().tolist()}


@app.websocket("/live")
async def live(socket: WebSocket):
    await socket.accept()
    await socket.send_json({"echo": await socket.receive_text()})
    await socket.close()
