import dataclasses
import json

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from rethink import data
from rethink.experiments import selection
from rethink.questions.learners import LEARNERS


@pytest.fixture(scope="module")
def tiny(small):
    """Few rows, and test images that must not be looked at."""
    return dataclasses.replace(
        small,
        train_images=small.train_images[:500],
        train_labels=small.train_labels[:500],
        test_images=None,
        test_labels=None,
        digest="tiny",
    )


def test_there_is_a_task_for_each_learner_and_seed():
    tasks = selection.tasks(2)
    assert len(tasks) == 2 * len(selection.SETTINGS) and json.loads(json.dumps(tasks)) == tasks
    assert 0 < sum(map(selection.seconds, tasks)) < 480


@pytest.mark.parametrize("name", selection.SETTINGS)
def test_two_to_six_settings_are_judged_and_one_of_them_is_the_learners_own(name):
    tried = selection.SETTINGS[name]
    assert 2 <= len({str(values) for values in tried}) == len(tried) <= 6
    model = LEARNERS[name].for_pictures(0)
    own = tried[selection.own(name)]
    assert {key: getattr(model, key) for key in own} == own


def test_a_learner_is_judged_by_the_rows_held_out_with_each_of_its_settings(tiny):
    found = selection.run(tiny, learner="tree", seed=3)["accuracy"]
    parts = data.split(500, 3)
    images, labels = tiny.train_images / np.float32(255), tiny.train_labels
    for share, accuracy in zip((0.1, 0.25, 0.5), found, strict=True):
        tree = DecisionTreeClassifier(max_features=share, random_state=3)
        tree.fit(images[parts.train], labels[parts.train])
        assert accuracy == tree.score(images[parts.validation], labels[parts.validation])


@pytest.mark.parametrize("name", ["forest", "boosting", "convolution"])
def test_every_setting_is_used_and_gives_the_same_bits_again(tiny, monkeypatch, name):
    few = selection.SETTINGS[name][:2]
    monkeypatch.setitem(selection.SETTINGS, name, few)
    found = selection.run(tiny, learner=name, seed=0)["accuracy"]
    assert found.shape == (2,) and found[0] != found[1]
    assert np.array_equal(selection.run(tiny, learner=name, seed=0)["accuracy"], found)


def test_settings_that_were_not_tried_are_named(monkeypatch):
    monkeypatch.setitem(selection.SETTINGS, "tree", ({"max_features": 0.9},))
    with pytest.raises(ValueError, match="not in list"):
        selection.own("tree")


def test_bad_input_is_named(tiny):
    with pytest.raises(ValueError, match=r"learner must be one of tree, .* but was 'logistic'"):
        selection.run(tiny, learner="logistic", seed=0)
