import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

x, y = load_iris(return_X_y=True)
for name, model in {
    "forest": RandomForestClassifier(20, random_state=0), "boost": GradientBoostingClassifier(random_state=0),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()), "svm": SVC(probability=True, random_state=0),
    "neighbours": KNeighborsClassifier(), "tree": DecisionTreeClassifier(random_state=0),
}.items():
    joblib.dump(model.fit(x, y), f"{name}.joblib", compress=("xz", 3) if name == "svm" else 3)
texts = make_pipeline(TfidfVectorizer(stop_words="english"), ComplementNB()).fit(["sweet ripe plum", "juicy pear", "rusty bolt", "steel screw"], [0, 0, 1, 1])
joblib.dump(texts, "text.joblib")
