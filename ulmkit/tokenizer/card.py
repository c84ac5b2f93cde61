"""What the README of a tokenizer's folder says: what a text needs before, and how any program gets the same ids."""

from ulmkit.language.spec import Language
from ulmkit.names import code_span, markdown_text
from ulmkit.tokenizer.elsewhere import TOKENIZER_JSON, Elsewhere
from ulmkit.tokenizer.model import BOS, EOS, PAD, UNK, Tokenizer

CARD = "README.md"

# for who reads spm.model alone; it stands wherever that file is named
NEWLINE_RULE = r'ids = pieces.encode(re.sub(r"\n(?=[^\n])", "\n ", text))'
NEWLINE_REASON = "Plain SentencePiece has no word boundary behind a newline: with a space put there its ids are these."


def tokenizer_card(tokenizer: Tokenizer, language: Language, kind: str, elsewhere: Elsewhere) -> str:
    """The README of a tokenizer that was trained for `language`; `kind` is unigram or bpe."""
    code, name = code_span(language.code), markdown_text(language.identity.name)
    operations = ", ".join(code_span(one) for one in operation_names(language))
    return f"""# A tokenizer for {name}

{tokenizer.vocabulary:,} ids ({kind}): {PAD} `<pad>`, {UNK} `<unk>`, {BOS} `<s>` (before each document of a
language model), {EOS} `</s>`, the paragraph break, 256 bytes that spell rare characters, then the pieces. No text is
cut into the first four: `<s>` in a text is three characters. Nothing is added at the start or the end.

## What a text needs before

The ids are those of **normalized** text: `ulmkit normalize {language.code}` at the prompt,
`ulmkit.load("{language.code}").normalize(text)` in Python. Its operations, in order:

{operations}.

They read tables and word lists and keep away from addresses and other spans, so no copy of them that would be exact
without ulmkit lies here. The documents of ulmkit's corpora are normalized already.

## ulmkit

```python
import ulmkit

tokenizer = ulmkit.Tokenizer.load(".")  # this folder; normalizes for {code}
ids = tokenizer.encode("text")
```

{_hugging_face(elsewhere)}## SentencePiece

{NEWLINE_REASON}

```python
import re
from sentencepiece import SentencePieceProcessor

pieces = SentencePieceProcessor(model_file="spm.model")
{NEWLINE_RULE}
```

A `▁` in a text is a space to it; every other program here spells it in bytes.{_exact(tokenizer)}
"""


def operation_names(language: Language) -> list[str]:
    """The operations of the standard form, in order."""
    parts = language.normalization
    return [*parts.head, *parts.train, *parts.tail]


def _exact(tokenizer: Tokenizer) -> str:
    if tokenizer.exact_length is None:
        return ""
    return (
        f"\nIt adds scores up in 32 bits: exact for every text of up to {tokenizer.exact_length:,} characters, and for"
        "\nwritten language of some ten times as many; cut what is longer at a space or a newline."
    )


def _hugging_face(elsewhere: Elsewhere) -> str:
    if elsewhere.refused:
        return f"""## transformers, tokenizers

There is no `{TOKENIZER_JSON}`: {markdown_text(elsewhere.refused)}.

"""
    return f"""## transformers, tokenizers

```python
from tokenizers import Tokenizer
from transformers import AutoTokenizer

ids = AutoTokenizer.from_pretrained(".")("text")["input_ids"]
ids = Tokenizer.from_file("{TOKENIZER_JSON}").encode("text").ids  # the same
```

{_compared(elsewhere)} Pieces are spelled with a space where `spm.model` has `▁`.

"""


def _compared(elsewhere: Elsewhere) -> str:
    if elsewhere.compared is None:
        return (
            "Not compared with ulmkit's ids when it was written; `ulmkit tokenizer evaluate` does, with `tokenizers`."
        )
    return (
        f"Compared with ulmkit's ids when it was written: equal on all {elsewhere.compared:,} held-out and made-up"
        f"\ntexts (tokenizers {elsewhere.with_version})."
    )
