import dataclasses
import json

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from rethink import data
from rethink.experiments import selection
from rethink.questions.learners import LEARNERS, Convolution


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
    names, tried = selection.SETTINGS[name]
    model = LEARNERS[name].for_pictures(0)
    assert 2 <= len(set(tried)) == len(tried) <= 6
    assert tuple(getattr(model, each) for each in names) in tried


def test_a_learner_is_judged_by_the_rows_held_out_with_each_of_its_settings(tiny):
    found = selection.run(tiny, learner="tree", seed=3)
    assert found["values"].tolist() == [[0.1], [0.25], [0.5]]
    parts = data.split(500, 3)
    images, labels = tiny.train_images / np.float32(255), tiny.train_labels
    for share, accuracy in zip((0.1, 0.25, 0.5), found["accuracy"], strict=True):
        tree = DecisionTreeClassifier(max_features=share, random_state=3)
        tree.fit(images[parts.train], labels[parts.train])
        assert accuracy == tree.score(images[parts.validation], labels[parts.validation])


def test_the_learners_own_settings_are_named_and_left_as_they_were(tiny):
    found = selection.run(tiny, learner="convolution", seed=0)
    own = found["values"][found["own"]]
    assert own.tolist() == [LEARNERS["convolution"].for_pictures(0).learning_rate]
    assert Convolution(0).learning_rate == LEARNERS["convolution"].for_pictures(0).learning_rate
    again = selection.run(tiny, learner="convolution", seed=0)
    assert np.array_equal(again["accuracy"], found["accuracy"])
    assert len(set(found["accuracy"].tolist())) > 1  # the settings were used


def test_the_settings_of_sklearn_are_used_and_none_of_them_is_kept_as_not_a_number(tiny):
    found = selection.run(tiny, learner="forest", seed=0)
    assert np.isnan(found["values"][0, 1]) and found["values"][1:].tolist() == [
        [50, 0.5],
        [100, 0.25],
    ]
    assert len(set(found["accuracy"].tolist())) > 1


def test_bad_input_is_named(tiny):
    with pytest.raises(ValueError, match=r"learner must be one of tree, .* but was 'logistic'"):
        selection.run(tiny, learner="logistic", seed=0)
