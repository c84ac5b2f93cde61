"""Input by chance that nobody expects, and kills: one line or a right result, the same bytes, and no payload runs."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

import ulmkit
from tests.classifier.test_classifier import TRAIN
from tests.support.classifier_damage import KINDS, Ground, comments, doubtful, tried
from tests.support.classifier_kills import STAGES
from tests.support.hostile_bytes import damage_folder, hostile_table, seal_again
from ulmkit.classifier.check import refuse_unlearnable
from ulmkit.classifier.frozen import scale_of
from ulmkit.classifier.model import read_classifier
from ulmkit.classifier.run import train_run
from ulmkit.classifier.table import Columns, labelled_rows
from ulmkit.errors import ArtifactError, UlmkitError
from ulmkit.lm.checkpoint import LARGEST_WEIGHT, refuse_no_numbers

FEW = 30


def test_hostile_tables_are_read_or_refused_in_one_line(tmp_path):
    plainly, refused = [], {}
    for seed in range(FEW):
        rng = random.Random(f"tables {seed}")
        rows = comments(rng, 12)
        name, data, plain = hostile_table(rng, rows, tmp_path / "payload-ran")
        (tmp_path / name).write_bytes(data)
        try:
            found, _ = labelled_rows([tmp_path / name], Columns())
            refuse_unlearnable(found)
        except UlmkitError as error:
            refused[seed] = str(error)
        else:
            assert not plain or list(zip(found.texts, found.labels, strict=True)) == rows
        plainly += [seed] * plain
    assert plainly
    assert not refused.keys() & set(plainly)
    assert not [line for line in refused.values() if "\n" in line]
    assert not (tmp_path / "payload-ran").exists()


def test_damaged_classifiers_are_read_or_refused_in_one_line(tmp_path):
    language = ulmkit.load("et")
    whole, folder, mark = tmp_path / "whole", tmp_path / "hostile", tmp_path / "payload-ran"
    train_run(language, whole, TRAIN)
    refused = []
    for seed in range(FEW):
        rng = random.Random(f"classifiers {seed}")
        shutil.copytree(whole, folder)
        damage_folder(rng, folder, mark, [whole / "config.json"])
        if rng.random() < 0.75:
            seal_again(folder)
        try:
            assert not doubtful(read_classifier(folder, language), TRAIN.texts[:2])
        except UlmkitError as error:
            refused.append(str(error))
        shutil.rmtree(folder)
    assert FEW / 2 < len(refused) < FEW
    assert not [line for line in refused if "\n" in line]
    assert not mark.exists()


def test_numbers_whose_sums_are_none_are_no_weights():
    for value in (3e38, -3e38, float("nan"), LARGEST_WEIGHT):
        with pytest.raises(ArtifactError, match="w holds values that are no numbers"):
            refuse_no_numbers({"w": torch.tensor([0.0, value])}, Path("x"), LARGEST_WEIGHT)
    refuse_no_numbers({"w": torch.tensor([3e38])}, Path("x"))


def test_features_that_are_the_same_of_all_texts_are_divided_by_one():
    assert scale_of(np.full((3, 4), 1e-30, np.float32), [2, 2]).size.tolist() == [1, 1, 2, 2]


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return Ground(tmp_path_factory.mktemp("hostile").resolve())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_hostile_is_refused_in_one_line_or_gives_a_right_result(ground, kind):
    found = tried(kind, ground, range(100_000, 100_060 if kind != "texts" else 100_010))
    assert not found.wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"), [("size", 1e-38), ("size", 1e30), ("weights", 3e38), ("centre", -3e38), ("bias", 1e300)]
)
def test_a_frozen_member_with_numbers_of_no_fit_is_refused(ground, name, value):
    folder = ground.home.classifier("copy")
    shutil.copytree(ground.whole, folder)
    path = folder / "forward/frozen.safetensors"
    tensors = safetensors.numpy.load(path.read_bytes())
    tensors[name] = np.full_like(tensors[name], value)
    path.write_bytes(safetensors.numpy.save(tensors))
    seal_again(folder)
    with pytest.raises(ArtifactError, match=name):
        read_classifier(folder, ground.language)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_killed_in_each_stage_and_begun_again_it_is_the_same_bytes():
    program = Path(__file__).parents[1] / "support/classifier_kills.py"
    command = [sys.executable, str(program), "--times", "1", "--seed", "100"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=program.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"1 kills in each of {len(STAGES)} stages: 0 wrong" in done.stdout
