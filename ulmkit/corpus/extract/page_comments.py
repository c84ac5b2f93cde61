"""What readers wrote below an article, and what a site says about writing there: it is told by the names of elements.

A comment is prose, and the first of a few stands next to the article's last paragraph, so the judge of blocks takes it
for one more. Names of classes are in the words of the programs that make pages, whatever the language of the page.
"""

import functools

import numpy as np

from ulmkit.corpus.extract.block_features import name_words
from ulmkit.corpus.extract.layout import PageLayout
from ulmkit.corpus.extract.page_series import AN_ARTICLE

_COMMENTS = frozenset(("comment", "comments", "commentlist", "commentarea", "disqus"))
# a name that says something of an article: that it has comments, or may have none
_OF_ARTICLES = frozenset(
    ("has", "with", "without", "no", "open", "opened", "closed", "on", "off", "enabled", "disabled", "allow", "allowed")
)


def comments(page: PageLayout, chosen: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Which blocks are comments on the article that `chosen` blocks of `sentences` hold elsewhere on the page.

    All three have an entry a block. None, where no article stands elsewhere: then a page is its comments.
    """
    within = np.zeros(len(chosen), bool)
    length = np.where(chosen & sentences, [len(text) for text in page.texts], 0)
    held = np.concatenate(([0], np.cumsum(length)))
    for names, first, last in zip(page.names, page.firsts, page.lasts, strict=True):
        if names and _of_comments(names) and held[-1] - held[last] + held[first] >= AN_ARTICLE:
            within[first:last] = True
    return within if length[~within].sum() >= AN_ARTICLE else np.zeros(len(chosen), bool)


@functools.lru_cache(maxsize=4096)
def _of_comments(names: str) -> bool:
    words = (set(name_words(name)) for name in names.split())
    return any(each & _COMMENTS and not each & _OF_ARTICLES for each in words)
