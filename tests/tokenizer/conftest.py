"""Test modules here share a small language and corpus."""

from pathlib import Path

import pytest
from tokenizer_data import language, write_corpus

from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import train_tokenizer


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session", params=["unigram", "bpe"])
def trained(request: pytest.FixtureRequest, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tokenizer of 600 pieces, of either model."""
    folder = tmp_path_factory.mktemp(request.param)
    train_tokenizer(language(), corpus, folder, vocabulary=600, model=request.param)
    return folder


@pytest.fixture(scope="session")
def tokenizer(trained: Path) -> Tokenizer:
    return Tokenizer.load(trained, language())
