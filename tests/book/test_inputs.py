import json
import sys

import numpy as np
import pytest

from rethink import paths
from rethink.book import inputs
from rethink.book.pages import BookError, Request
from rethink.runs import audit, store, tasks
from tests.book.builds import make_it, never
from tests.book.manuscripts import append, code, write_chapter


def test_one_chapter_without_results_is_no_reason_to_sample_records(edition, monkeypatch):
    """Nor does it count as a sample of the whole book."""
    monkeypatch.setattr(audit, "sample", never)
    inputs.make_results(edition, ["01-one"], False)
    assert "sampled" not in inputs.load(edition)


def test_what_is_measured_is_published_and_found_again(measuring, executed, small, capsys):
    published = make_it(measuring)
    wanted = tasks.tasks("tiny", seeds=2)
    found = [published.get(tasks.key(task, small.digest)) for task in wanted]
    total = int(small.train_labels.sum())
    assert [int(each["total"]) for each in found] == [total, 2 * total]
    assert "measuring 2 things more" in capsys.readouterr().err
    append(measuring.root / "_config.yml")
    make_it(measuring)
    assert "measuring" not in capsys.readouterr().err


def test_a_sample_of_what_is_published_is_made_again_once(measuring, executed, monkeypatch, capsys):
    path = measuring.root / store.PUBLISHED
    make_it(measuring)
    monkeypatch.setenv("RETHINK_RECORDS", str(path))
    for said in (True, False):
        append(measuring.root / "_config.yml")
        make_it(measuring)
        lines = capsys.readouterr().err
        assert ("Checking a random sample of 2 published results" in lines) == said
        assert ("2 of 2 other measurements made again are equal bit for bit." in lines) == said


@pytest.fixture
def published(measuring, executed, monkeypatch):
    """A made book whose published results can be altered, whatever their keys are."""
    make_it(measuring)
    path = measuring.root / store.PUBLISHED
    monkeypatch.setenv("RETHINK_RECORDS", str(path))

    def alter(change):
        kept = dict(store.Store(path.parent / "none", path).published)
        store.publish(path, change(kept))

    return alter


def test_fresh_results_are_held_against_those_there_were(published, measuring, capsys):
    make_it(measuring, fresh=True)
    assert "2 of 2 other measurements made again are equal bit for bit." in capsys.readouterr().err

    def altered(kept):
        """One is another number."""
        name = next(n for n, each in kept.items() if tasks.about(each)["task"][1] == {"seed": 1})
        return kept | {name: kept[name] | {"total": kept[name]["total"] + 1}}

    published(altered)
    with pytest.raises(BookError, match=r"the result of tiny\(seed=1\) does not stand"):
        make_it(measuring, fresh=True)


def test_far_off_results_of_another_machine_are_replaced_and_said(
    published, measuring, monkeypatch
):
    tiny = sys.modules["rethink.experiments.tiny"]
    monkeypatch.setattr(tiny, "elsewhere", lambda task: {"total": 0.5}, raising=False)
    path = measuring.root / store.PUBLISHED

    def elsewhere(kept):
        """One is another number, from another machine."""
        name = next(n for n, each in kept.items() if tasks.about(each)["task"][1] == {"seed": 1})
        said = tasks.about(kept[name]) | {"environment": {"processor": "another"}}
        about = np.frombuffer(json.dumps(said).encode(), np.uint8)
        return kept | {name: kept[name] | {"total": kept[name]["total"] + 1, "about": about}}

    before = store.Store(path.parent / "none", path).published
    published(elsewhere)
    words = (
        r"^the result of tiny\(seed=1\) does not stand, .* another: total by 1 \(0\.5 is allowed\)"
    )
    with pytest.raises(BookError, match=words):
        make_it(measuring, fresh=True)
    after = store.Store(path.parent / "none", path).published
    assert {name: each["total"] for name, each in after.items()} == {
        name: each["total"] for name, each in before.items()
    }
    make_it(measuring, fresh=True)


def test_fresh_results_are_compared_whatever_their_keys_were(published, measuring, capsys):
    published(lambda kept: {f"old-{name}": result for name, result in kept.items()})
    capsys.readouterr()
    make_it(measuring, fresh=True)
    assert "2 of 2 other measurements made again are equal bit for bit." in capsys.readouterr().err


def test_fresh_results_are_made_by_one_process_at_a_time_in_a_cache(
    published, measuring, executed, monkeypatch
):
    cache = store.Store.here().folder.parent
    append(cache / "fresh" / "unfinished.npz", "of the other process")
    with (
        paths.exclusive(cache / "fresh.lock", ValueError()),
        pytest.raises(BookError, match=r"another process is making all results anew in .*fresh"),
    ):
        make_it(measuring, fresh=True)
    assert (cache / "fresh" / "unfinished.npz").exists()
    make_it(measuring, fresh=True)
    assert not (cache / "fresh").exists()


@pytest.mark.parametrize("fresh", [True, False])
def test_damaged_published_results_are_refused_before_any_work(
    published, measuring, monkeypatch, fresh
):
    path = measuring.root / store.PUBLISHED
    path.write_bytes(path.read_bytes()[:-100])
    monkeypatch.setattr(inputs, "_do_missing", never)
    append(measuring.root / "_config.yml")
    with pytest.raises(store.RecordsError, match=f"^{path} is damaged, .*git checkout"):
        make_it(measuring, fresh=fresh)


def test_it_is_a_fault_if_fresh_results_could_not_all_be_compared(published, measuring, capsys):
    def without_one(kept):
        first, *_ = kept
        return {first: kept[first]}

    published(without_one)
    words = r"^1 of 2 results were compared; there was none to hold tiny\(seed=\d\) against\. What"
    with pytest.raises(BookError, match=words):
        make_it(measuring, fresh=True)

    def with_another(kept):
        first, *_ = kept
        said = tasks.about(kept[first]) | {"task": ["gone", {"seed": 7}]}
        about = np.frombuffer(json.dumps(said).encode(), np.uint8)
        return kept | {"another": kept[first] | {"about": about}}

    published(with_another)
    with pytest.raises(BookError, match=r"nothing asks for \[\"gone\", {\"seed\": 7}\] any more"):
        make_it(measuring, fresh=True)
    # What was made is published all the same.
    capsys.readouterr()
    make_it(measuring, fresh=True)
    assert "2 of 2 other measurements" in capsys.readouterr().err


def test_a_page_that_lists_everything_depends_on_all_results(measuring, executed, monkeypatch):
    write_chapter(measuring.root, "01-one", code("def never():\n    inputs.everything()"))
    make_it(measuring)
    assert inputs.asked_by(measuring, "01-one") == inputs.asked_by(measuring, "02-two")
    shown = inputs.look(measuring, ["index", "01-one"])
    assert (shown["index"].measurements, shown["01-one"].measurements) == (0, 2)


def test_everything_is_what_the_pages_ask_for(measuring, executed, monkeypatch, small):
    from rethink.runs import study

    make_it(measuring)
    monkeypatch.setattr(study, "fashion_mnist", lambda: small)
    monkeypatch.delenv("RETHINK_REDUCED", raising=False)
    found = inputs.everything()
    assert list(found) == ["tiny"]
    assert found["tiny"].tasks == ({"seed": 0}, {"seed": 1})


def test_a_training_run_of_two_studies_counts_for_the_first(monkeypatch, small):
    from rethink import data
    from rethink.runs import study

    asked = [
        Request("training_runs", {"study": name, "seeds": seeds, "epochs": 3})
        for name, seeds in (("capacity", 2), ("shares", 2), ("capacity", 3), ("shares", 1))
    ]
    asked.insert(1, Request("smallest", {"seeds": 1}))
    monkeypatch.setattr(inputs, "_asked_under_way", lambda: asked)
    monkeypatch.setattr(data, "fashion_mnist", lambda: small)
    monkeypatch.setattr(study, "results_of", lambda wanted, data, store: wanted)
    found = inputs.studies()
    # On all data the largest network is one of the seven, and there are five shares.
    assert {name: len(runs) for name, runs in found.items()} == {"capacity": 21, "shares": 8}
    assert len(inputs.everything()["training_runs"]) == 29
