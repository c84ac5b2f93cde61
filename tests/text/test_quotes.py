"""Quotation marks become the language's pair, one inside another where that is meant, and inches stay."""

import pytest

from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import Settings

NORMALIZE = Normalizer(["quotes"], Settings(script="Cyrl", quotes="«»"))
CASES = [
    ('"а" и "б"', "«а» и «б»"),
    ("“а” и „б“", "«а» и «б»"),
    ("”а“ и „б“", "«а» и «б»"),
    ('"Газета "День" вышла"', "«Газета «День» вышла»"),
    ('""День" вышла"', "««День» вышла»"),
    ('"Вышла "День"", сказал он', "«Вышла «День»», сказал он"),
    ("„тут “внутри” знаки“", "«тут «внутри» знаки»"),
    ("„тут “внутри““, знаки", "«тут «внутри»», знаки"),
    ('"а "б "слово" да" ну"', "«а «б «слово» да» ну»"),
    ('"сердце "или" разум"', "«сердце »или« разум»"),  # two, with spaces on the wrong side
    ('сказал"да"и "нет"', "сказал«да»и «нет»"),  # touched on both sides: in turn
    ('диски 12" и 10" есть', 'диски 12" и 10" есть'),
    ('диск 12" есть', 'диск 12" есть'),
    ('"в 1980" и "в 1990"', "«в 1980» и «в 1990»"),
    ('"Metallica" и "1984"', '"Metallica" и "1984"'),  # nothing in the script: it may be code
    ('""""', '""""'),
]


@pytest.mark.parametrize(("text", "normal"), CASES)
def test_quotation_marks(text: str, normal: str) -> None:
    assert NORMALIZE(text) == NORMALIZE.reference(text) == normal
    assert NORMALIZE(normal) == normal
