"""What several files of tests read with: Estonian, a root with two small language models, and their readers."""

import pytest

import ulmkit
from tests.classifier.test_classifier import TRAIN
from tests.support.reader_data import make_readers
from ulmkit.classifier.reader import reader_of_run


@pytest.fixture(scope="module")
def et():
    return ulmkit.load("et")


@pytest.fixture(scope="module")
def home(et, tmp_path_factory):
    return make_readers(tmp_path_factory.mktemp("root"), et, list(TRAIN.texts))


@pytest.fixture(scope="module")
def readers(et, home):
    return [reader_of_run(home, "ahead", et), reader_of_run(home, "back", et, backward=True)]
