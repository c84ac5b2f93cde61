"""Whether a text was cut into tokens throughout: a space before each comma and stop, as corpora of research have."""

import re

_LEAST = 4  # marks that stand apart
_NEARLY_ALL = 0.9  # of the commas and stops: a writer who sets a space now and then has fewer

_APART = re.compile(r"(?<=[^\s,.،;؛。]) (?:[,،;؛]|\.)(?=\s|$)")
_BESIDE = re.compile(r"(?<=[^\W\d_])[,،;؛.](?=\s|$)")  # behind a letter; digits have ordinals' dots


def is_tokenized(text: str) -> bool:
    """Whether nearly all commas and stops of `text` stand apart from the word before them.

    >>> is_tokenized("Tuli tuul , tuli vihm , tuli lumi . Siis tuli kevad ."), is_tokenized("Tuli tuul, tuli vihm.")
    (True, False)
    """
    if " ," not in text and " ." not in text and " ،" not in text:
        return False
    apart = len(_APART.findall(text))
    return apart >= _LEAST and apart >= _NEARLY_ALL * (apart + len(_BESIDE.findall(text)))
