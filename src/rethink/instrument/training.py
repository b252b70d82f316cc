"""What can be measured of any table by training: six questions of the book, asked of other data.

Every function takes the features, shape (n, d), the labels as codes from 0 to c - 1, shape (n,),
and a `Plan`, which says how much is done. Seeds are the unit of replication: each draws its own
split, its own initial weights and order of rows. The same plan on the same machine gives the same
bits. A `deadline`, compared with ``time.monotonic()`` between two units of work, is for machines
slower than the plan thinks: units after it are left out and named in ``left_out``, and a part of
which nothing was done is None.
"""

import contextlib
import io
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from rethink import information, mec
from rethink.instrument.budget import BATCH, DECIBELS, SHARES, Plan, plan
from rethink.instrument.results import Curve, Doubts, Learners, Resilience, Sweep
from rethink.instrument.splits import Features, Inputs, Ints, Labels, check, scaled, split_table
from rethink.questions import damage
from rethink.questions.label_issues import ALTERED, find_issues
from rethink.questions.learners import LEARNERS
from rethink.questions.networks import Networks, Recipe, fit

__all__ = [
    "Curve",
    "Doubts",
    "Learners",
    "Plan",
    "Resilience",
    "Sweep",
    "doubtful_labels",
    "learners",
    "learning_curve",
    "plan",
    "resilience",
    "sweep",
]

Floats = NDArray[np.float64]
SHOWN = 10  # most doubtful rows that are named


def doubtful_labels(
    features: Features, labels: Labels, plan: Plan, deadline: float | None = None
) -> Doubts | None:
    """Find labels that are doubtful, and wrong ones made on purpose, by confident learning.

    A forest gives each row class probabilities by the trees that have not seen it, each of which is
    grown on half as many draws as there are rows. cleanlab flags labels from them. Then 2 % of the
    labels are altered and the same is done again: `recall` and `precision` are about these. The
    precision is a lower bound, since labels may be wrong that nobody altered. The one row of a
    class without others is never flagged.

    Source: Northcutt, Jiang and Chuang, Journal of Artificial Intelligence Research 70 (2021).
    """
    x, y = check(features, labels, plan)
    drawn = split_table(y, plan)
    n, c = len(y), plan.classes
    scores: dict[str, list[float]] = {
        name: [] for name in ("accuracy", "issues", "flagged", "recall", "precision")
    }
    times, doubted, quality, votes = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, np.intp)
    planted = max(1, round(ALTERED * plan.rows))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "May not flag all label issues", UserWarning)
        # cleanlab loads a progress bar, which in a notebook asks for a package that shows it.
        warnings.filterwarnings("ignore", "IProgress not found")
        done, left_out = [], _names(range(plan.seeds))
        for seed in _until(deadline, range(plan.seeds)):
            rows = np.sort(np.concatenate([drawn.train[seed], drawn.test[seed]]))
            # Trees do not care for scale, but their numbers have to fit in float32.
            inputs, given = scaled(x, rows, rows), y[rows]
            held = _held_out(inputs, given, plan, seed)
            found = find_issues(given, held, c)
            best = held.argmax(axis=1)
            times[rows] += 1
            doubted[rows[found["flagged"]]] += 1
            quality[rows] += held[np.arange(len(rows)), given]
            votes[rows] = best  # of the last seed that judged the row
            rng = np.random.default_rng([seed, 81])
            altered = rng.choice(len(rows), planted, replace=False)
            wrong = given.copy()
            wrong[altered] = (given[altered] + rng.integers(1, c, planted)) % c
            again = find_issues(wrong, _held_out(inputs, wrong, plan, seed), c)["flagged"]
            hits = len(np.intersect1d(again, altered))
            scores["accuracy"].append(float((best == given).mean()))
            scores["issues"].append(float(found["issues"]))
            scores["flagged"].append(len(found["flagged"]))
            scores["recall"].append(hits / planted)
            scores["precision"].append(hits / len(again) if len(again) else np.nan)
            done.append(seed)
    if not done:
        return None
    quality = np.divide(quality, times, out=np.full(n, np.inf), where=times > 0)
    # Flagged by most of the seeds that judged them; by more seeds first, then the least probable.
    often = np.flatnonzero((times > 0) & (2 * doubted > times))
    worst = often[np.lexsort((quality[often], -doubted[often]))][:SHOWN]
    return Doubts(
        judged=plan.rows,
        rows=worst,
        suggested=votes[worst],
        quality=quality[worst],
        planted=planted,
        left_out=left_out[len(done) :],
        flagged=np.array(scores.pop("flagged"), np.intp),
        **{name: np.array(each) for name, each in scores.items()},
    )


def sweep(
    features: Features, labels: Labels, plan: Plan, deadline: float | None = None
) -> Sweep | None:
    """Train networks of growing capacity on true labels and, with the same seeds, on shuffled ones.

    Adam on cross entropy, batches of 64, at a rate that falls to zero on a cosine; all of the
    plan's epochs, so that networks differ in their capacity alone. Shuffled labels are the null:
    nothing can be learned, so test accuracy must be chance, and what is stored is memorized. One
    seed can be far from chance where rows lie in few clusters, as each gets one answer: it is the
    mean over seeds that must agree, within its interval.
    """
    inputs = Inputs.from_table(features, labels, plan)
    s, c = plan.seeds, plan.classes
    answers = np.concatenate([np.tile(inputs.labels, (s, 1)), inputs.shuffled()])
    # The same members twice: weights and order of the rows are those of the true labels' networks.
    rows, test = (np.tile(part, (2, 1)) for part in (inputs.train, inputs.test))
    truth = inputs.labels[inputs.test]
    found: dict[str, list[Floats]] = {}
    networks, names = (
        None,
        [f"{units} hidden units" if units else "linear" for units in plan.hidden],
    )
    for units in _until(deadline, plan.hidden):
        recipe = _recipe(plan, units, plan.epochs)
        networks = fit(recipe, inputs.values, answers, rows, [*range(s), *range(s)], c)
        at_test, at_train = (_predict(networks, inputs.values, part) for part in (test, rows))
        for part, got, wanted in (
            ("train", at_train, np.take_along_axis(answers, rows, axis=1)),
            ("test", at_test, np.tile(truth, (2, 1))),
        ):
            right, told = (got == wanted).mean(axis=1), _information(wanted, got, c)
            for kind, members in (("", slice(s)), ("shuffled_", slice(s, None))):
                found.setdefault(kind + part, []).append(right[members])
                found.setdefault(f"{kind}{part}_information", []).append(told[members])
        found.setdefault("shuffled_chance", []).append(_chance(truth, at_test[s:], c))
    if networks is None:
        return None
    done = len(found["train"])
    sizes = tuple((plan.features, *((u,) if u else ()), c) for u in plan.hidden[:done])
    own = inputs.labels[inputs.train]
    counts = [np.bincount(each, minlength=c) for each in own]
    return Sweep(
        sizes=sizes,
        bits=np.array([mec.perceptron_mec(each, "four-rules").bits for each in sizes]),
        train_rows=plan.train_rows,
        label_bits=np.array([mec.dictionary_bits(each) for each in counts]),
        guess=np.array([(t == k.argmax()).mean() for t, k in zip(truth, counts, strict=True)]),
        networks=networks,
        left_out=tuple(names[done:]),
        **{name: np.stack(each) for name, each in found.items()},
    )


def resilience(
    features: Features, labels: Labels, plan: Plan, sweep: Sweep, deadline: float | None = None
) -> Resilience | None:
    """Measure the largest network of a sweep under noise of known strength.

    Gaussian noise, the same strength in every column, on the standardised inputs of the test rows:
    at 0 dB as much noise as there is signal. Training is without noise. Each seed has its own.
    """
    inputs = Inputs.from_table(features, labels, plan)
    s, c = plan.seeds, plan.classes
    truth = inputs.labels[inputs.test]
    clean: list[Any] = [inputs.values[rows] for rows in inputs.test]
    found: list[tuple[Floats, ...]] = []
    for db in _until(deadline, DECIBELS):
        noisy = np.stack(
            [damage.add_noise(each, db, seed, clip=False).images for seed, each in enumerate(clean)]
        )
        got = sweep.networks.predict(np.concatenate([noisy, noisy]))
        right = (got == np.tile(truth, (2, 1))).mean(axis=1)
        found.append((right[:s], right[s:], _chance(truth, got[s:], c)))
    # One level alone makes no curve.
    if len(found) < 2:
        return None
    accuracy, shuffled, chance = (np.stack(each) for each in zip(*found, strict=True))
    levels = np.array(DECIBELS[: len(found)], dtype=np.float64)
    best, guess = sweep.test[-1], sweep.guess
    falls = [damage.half_fall(levels, accuracy[:, i], best[i], guess[i]) for i in range(s)]
    return Resilience(
        decibels=levels,
        clean=best,
        accuracy=accuracy,
        guess=guess,
        half_db=np.array(falls),
        shuffled=shuffled,
        shuffled_chance=chance,
        left_out=tuple(f"{db} dB" for db in DECIBELS[len(found) :]),
    )


def learning_curve(
    features: Features, labels: Labels, plan: Plan, sweep: Sweep, deadline: float | None = None
) -> Curve | None:
    """Train the largest network of a sweep on fewer rows, for as many steps.

    A share's rows are the first of a seed's training rows and so within those of a larger share;
    the test rows are the same. All rows are the sweep's own network. Larger shares come first.
    """
    inputs = Inputs.from_table(features, labels, plan)
    truth, seeds = inputs.labels[inputs.test], range(plan.seeds)
    hidden = sweep.networks.recipe.hidden
    units = hidden[0] if hidden else 0
    found, rows = [sweep.test[-1]], [plan.train_rows]
    shares = SHARES[::-1]
    for share in _until(deadline, shares[1:]):
        m = max(1, round(share * plan.train_rows))
        epochs = -(-plan.steps // -(-m // BATCH))
        networks = fit(
            _recipe(plan, units, epochs),
            inputs.values,
            inputs.labels,
            inputs.train[:, :m],
            seeds,
            plan.classes,
        )
        found.append((_predict(networks, inputs.values, inputs.test) == truth).mean(axis=1))
        rows.append(m)
    if len(found) < 2:
        return None
    return Curve(
        shares=np.array(shares[: len(found)][::-1]),
        rows=np.array(rows[::-1]),
        test=np.stack(found[::-1]),
        left_out=tuple(f"{share:.0%} of the rows" for share in shares[len(found) :]),
    )


def learners(
    features: Features, labels: Labels, plan: Plan, deadline: float | None = None
) -> Learners | None:
    """Let other learners learn the same splits.

    Images are given as they are, divided by the largest value of the training rows; other features
    are standardised as they are for networks.
    """
    x, y = check(features, labels, plan)
    drawn = split_table(y, plan)
    found: list[list[tuple[float, ...]]] = []
    with threadpool_limits(1), warnings.catch_warnings():
        # So many steps must do: logistic regression may not have settled.
        warnings.simplefilter("ignore", ConvergenceWarning)
        _count_cores_in_silence()
        for name in _until(deadline, plan.learners):
            found.append([])
            kind = LEARNERS[name]
            for seed in range(plan.seeds):
                train, test = (
                    scaled(x, drawn.train[seed], part, plan.shape is not None)
                    for part in (drawn.train[seed], drawn.test[seed])
                )
                wanted, start = y[drawn.train[seed]], time.process_time()
                model: Any = kind.for_table(plan, seed)
                model.fit(train, wanted)
                judged = kind.judged_rows or len(train)
                seen = float((model.predict(train[:judged]) == wanted[:judged]).mean())
                right = float((model.predict(test) == y[drawn.test[seed]]).mean())
                stored = kind.bits(model, plan.features, plan.classes, len(train))
                found[-1].append((seen, right, stored, time.process_time() - start))
    if not found:
        return None
    train_accuracy, test_accuracy, bits, seconds = np.moveaxis(np.array(found), 2, 0)
    done = len(found)
    return Learners(
        names=plan.learners[:done],
        train=train_accuracy,
        test=test_accuracy,
        bits=bits,
        seconds=seconds,
        left_out=plan.learners[done:],
    )


def _count_cores_in_silence() -> None:
    """Let joblib count the cores for scikit-learn, which is done once in a process.

    Where a container does not tell of its processors, it would write that onto the page.
    """
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        joblib.cpu_count(only_physical_cores=True)


def _held_out(x: NDArray[np.float32], y: NDArray[np.int64], plan: Plan, seed: int) -> Floats:
    """Return class probabilities of each row by trees that have not seen it, shape (n, c)."""
    forest = RandomForestClassifier(
        plan.trees, max_samples=0.5, oob_score=True, random_state=seed, n_jobs=1
    ).fit(x, y)
    held = np.zeros((len(y), plan.classes))
    held[:, forest.classes_] = forest.oob_decision_function_
    return held


def _recipe(plan: Plan, units: int, epochs: int) -> Recipe:
    return Recipe((units,) if units else (), epochs, BATCH, plan.learning_rate, schedule="cosine")


def _predict(networks: Networks, values: NDArray[np.float32], rows: Ints) -> NDArray[np.int64]:
    """Return each member's answers to its own rows, shape (S, n)."""
    # In parts, since every member needs its own copy of its rows.
    parts = np.array_split(rows, -(-rows.shape[1] // 1_000), axis=1)
    return np.concatenate([networks.predict(values[part]) for part in parts], axis=1)


def _information(wanted: NDArray[Any], got: NDArray[Any], classes: int) -> Floats:
    pairs = zip(wanted, got, strict=True)
    tables = (information.confusion(*pair, classes) for pair in pairs)
    return np.array([information.mutual_information_bits(table) for table in tables])


def _chance(truth: NDArray[Any], got: NDArray[Any], classes: int) -> Floats:
    """Return the accuracy of each member's answers if they knew nothing of the rows, shape (S,)."""
    shares = (
        [np.bincount(each, minlength=classes) / len(each) for each in part] for part in (truth, got)
    )
    return np.array([float(t @ g) for t, g in zip(*shares, strict=True)])


def _until(deadline: float | None, units: Iterable[Any]) -> Iterator[Any]:
    """Yield units of work while the deadline has not passed."""
    for unit in units:
        if deadline is not None and time.monotonic() >= deadline:
            return
        yield unit


def _names(seeds: range) -> tuple[str, ...]:
    return tuple(f"seed {seed}" for seed in seeds)
