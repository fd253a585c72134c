"""Use networks as parts of scikit-learn: in a pipeline, in cross-validation, and in a search over parameters.

What you should see: three lines like

    cross-validation: 0.974 right, plus or minus 0.006
    best of the search: hidden (64,), weight_l2 0.01
    a code of 8 numbers, then a classifier: 0.91 right

The last one puts an autoencoder, which learns without labels, in front of logistic regression.

Run it with no arguments. It takes about two minutes.
"""

import theanets.estimators
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler


def main(epochs=20, folds=3, count=1200, hidden=((16,), (64,)), seed=13):
    """Cross-validate, search and combine; return the numbers that are printed.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training data, at most.
    folds : int, optional
        Number of parts for cross-validation.
    count : int, optional
        Number of pictures to use.
    hidden : sequence of layer specs, optional
        What to search among.
    seed : int, optional
        Decides everything random.
    """
    x, y = load_digits(return_X_y=True)
    names = [f"digit {label}" for label in y[:count]]
    train, test, train_names, test_names = train_test_split(x[:count], names, random_state=seed)
    network = theanets.estimators.NetworkClassifier(hidden=hidden[-1], epochs=epochs, random_state=seed)
    model = make_pipeline(MinMaxScaler(), network)

    scores = cross_val_score(model, train, train_names, cv=folds)
    print(f"cross-validation: {scores.mean():.3f} right, plus or minus {scores.std():.3f}")

    grid = {
        "networkclassifier__hidden": list(hidden),
        "networkclassifier__options": [{"weight_l2": 0.0}, {"weight_l2": 0.01}],
    }
    search = GridSearchCV(model, grid, cv=folds).fit(train, train_names)
    best = search.best_estimator_["networkclassifier"]
    print(f"best of the search: hidden {best.hidden}, weight_l2 {best.options['weight_l2']}")

    coder = theanets.estimators.AutoencoderTransformer(((64, "relu"), (8, "linear")), epochs=epochs, random_state=seed)
    coded = make_pipeline(MinMaxScaler(), coder, LogisticRegression(max_iter=1000)).fit(train, train_names)
    share = coded.score(test, test_names)
    print(f"a code of 8 numbers, then a classifier: {share:.2f} right")
    return dict(cross_validation=float(scores.mean()), search=float(search.score(test, test_names)), coded=float(share))


if __name__ == "__main__":
    main()
