"""The demo's end: a labelled set that a language bundles, split and classified beside its baselines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ulmkit
from tests.support.reader_data import make_readers
from ulmkit.classifier.copies import have_copies
from ulmkit.classifier.table import Columns, labelled_rows
from ulmkit.cli.common import Terminal
from ulmkit.cli.demo import _classify
from ulmkit.language.cases import read_labelled
from ulmkit.workflow import demo


@pytest.mark.parametrize("code", ["fa", "et"])
def test_bundled_comments_are_in_normal_form_and_stand_on_one_side_each(code: str) -> None:
    language = ulmkit.load(code)
    task = demo.demo_set(language)
    rows = read_labelled(language.file(task.locator))
    assert [row.text for row in rows if language.normalize(row.text) != row.text] == []
    assert labelled_rows([language.file(task.locator)], Columns())[0].texts == tuple(row.text for row in rows)
    train, test = demo.demo_split(language, task)
    assert sorted([*train.texts, *test.texts]) == sorted(row.text for row in rows)
    assert not have_copies(test.texts, train.texts).any()
    shares = [np.unique(part.labels, return_counts=True)[1] / len(part.labels) for part in (train, test)]
    assert np.abs(shares[0] - shares[1]).max() < 0.05
    assert len(train.texts) == pytest.approx(2 * len(test.texts), abs=2)
    assert test.where(0).startswith("comments.tsv:")


@pytest.mark.slow
def test_the_demo_classifies_beside_the_majority_and_a_language_without_a_set_skips_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    language = ulmkit.load("fa")
    train, _ = demo.demo_split(language, demo.demo_set(language))
    layout = make_readers(tmp_path, language, list(train.texts))
    layout.run("ahead").rename(layout.run(demo.DEMO_RUN))
    (layout.run(demo.DEMO_RUN) / "best").rename(layout.run(demo.DEMO_RUN) / "last")
    trained = demo.demo_classifier(language, layout, demo.demo_set(language))
    rows = list(trained.evaluation.rows)
    assert rows[:3] == ["majority", "n-grams", "frozen forward"]
    assert trained.evaluation.against["n-grams"].difference.low > 0
    assert ulmkit.Classifier.load(layout.classifier(demo.DEMO_RUN)).classes == ("food", "book", "phone")
    assert _classify(Terminal.plain(as_json=False), demo, replace(language, tasks=()), layout, 0) is None
    assert "left out, since the folder of 'fa' has no labelled set" in capsys.readouterr().out
