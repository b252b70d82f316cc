import pytest
from tests.book.test_build import (  # noqa: F401
    edition,
    executed,
    make_it,
    measuring,
    never,
    no_data,
)
from tests.book.test_pages import append

from rethink import progress
from rethink.book import inputs
from rethink.book.pages import PressError
from rethink.runs import store as records, study, tasks


def test_one_chapter_without_studies_is_no_reason_to_sample_records(edition, monkeypatch):
    """Nor does it count as a sample of the whole book."""
    file = edition.root / store.PUBLISHED
    append(file, "records")
    monkeypatch.setenv("RETHINK_RUNS", str(file))
    monkeypatch.setattr(store.Store, "__len__", lambda self: 5)
    monkeypatch.setattr(study, "audit", never)
    inputs.train(edition, ["01-one"], False, None)
    assert "sampled" not in inputs.load(edition)


def test_what_is_measured_is_published_and_found_again(measuring, executed, small, capsys):
    published = make_it(measuring)
    wanted = tasks.tasks("tiny", 2)
    found = [published.arrays(tasks.key(task, small.digest)) for task in wanted]
    total = int(small.train_labels.sum())
    assert [int(each["total"]) for each in found] == [total, 2 * total]
    assert "Measuring 2 things more" in capsys.readouterr().err
    append(measuring.root / "_config.yml")
    make_it(measuring)
    assert "Measuring" not in capsys.readouterr().err


def test_fresh_measurements_are_held_against_those_there_were(
    measuring, executed, small, monkeypatch, capsys
):
    make_it(measuring)
    make_it(measuring, fresh=True)
    assert "2 of 2 repeated measurements are equal bit for bit." in capsys.readouterr().err
    # The published ones come first, so that an altered one is seen.
    path = measuring.root / store.MEASURED
    monkeypatch.setenv("RETHINK_RUNS", str(path.with_name("runs.npz")))
    store = store.Store(path.parent / "none", path)
    names = [tasks.key(task, small.digest) for task in tasks.tasks("tiny", 2)]
    arrays = {name: dict(store.arrays(name)) for name in names}
    arrays[names[1]]["total"] = arrays[names[1]]["total"] + 1
    store.publish(path, arrays)
    with pytest.raises(PressError, match=r"measurement tiny\(seed=1\) does not stand"):
        make_it(measuring, fresh=True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "60 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (150.1, "3 min"),
        (7200, "120 min"),
        (float("inf"), "unknown time"),
    ],
)
def test_times_are_short(seconds, words):
    assert progress.in_words(seconds) == words
