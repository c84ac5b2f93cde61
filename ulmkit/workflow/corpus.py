"""A corpus as a value: built from files or from a language's sources, read document by document from its folder."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, SupportsIndex, overload

from ulmkit.acquire.sources import CONTACT, Brought, Fetching, fetch_sources
from ulmkit.arguments import front_door
from ulmkit.artifacts.layout import SPLITS, Layout
from ulmkit.artifacts.manifest import Manifest
from ulmkit.artifacts.shards import corpus_read, finished_corpus, read_batches, read_frame, shard_paths, shard_texts
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.corpus.tally import read_samples
from ulmkit.document import Document
from ulmkit.errors import ArtifactError, UlmkitError, UsageError
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.names import home_expanded
from ulmkit.notebook import html_table
from ulmkit.progress import Report, paced, silent
from ulmkit.workflow.languages import expect_language

ROOT_VARIABLE, MIRROR_VARIABLE = "ULMKIT_ROOT", "ULMKIT_WIKIMEDIA_MIRROR"
ROWS = 200  # documents in memory at once
FIELDS = ("id", "text", "source", "licence", "url", "title", "language", "fetched_at", "published_at")
REPORT_SECONDS = 1.0  # at most one report in so long, so that `report=print` can be read

Place = str | Path


def default_root() -> Path:
    """Where data lies unless told: ULMKIT_ROOT, else `data` in the working directory, as at the prompt."""
    return Path(os.environ.get(ROOT_VARIABLE) or "data")


class CorpusSplit:
    """The documents of one split (`train`, `valid` or `test`), in the order of the shards. Iterating reads them lazily.

    `len` is how many there are; `split[0]`, `split[-1]` and `split[:10]` read as far as they must.
    """

    def __init__(self, corpus: "Corpus", name: str) -> None:
        self.corpus, self.name = corpus, name

    @property
    def paths(self) -> list[Path]:
        """The Parquet shards."""
        return shard_paths(finished_corpus(self.corpus.folder), self.name)

    @contextlib.contextmanager
    def _read(self) -> Iterator[list[Path]]:
        """The shards to read from, which must be of the corpus that was loaded, from the first to the last row."""
        with corpus_read(self.corpus.folder) as built:
            if built.fingerprint != self.corpus.manifest["fingerprint"]:
                raise ArtifactError(f"{self.corpus.folder}: was built anew since it was loaded. Load it again.")
            yield shard_paths(built, self.name)

    def __len__(self) -> int:
        return int(self.corpus.manifest["splits"][self.name]["documents"])

    def __iter__(self) -> Iterator[Document]:
        with self._read() as paths:
            for batch in read_batches(paths, FIELDS, ROWS):
                for row in batch.to_pylist():
                    yield Document(**row)

    @overload
    def __getitem__(self, which: SupportsIndex) -> Document: ...

    @overload
    def __getitem__(self, which: slice) -> list[Document]: ...

    def __getitem__(self, which: SupportsIndex | slice) -> Document | list[Document]:
        chosen = range(len(self))[which]
        places = chosen if isinstance(chosen, range) else range(chosen, chosen + 1)
        wanted = set(places)
        found = {at: doc for at, doc in zip(range(max(wanted, default=-1) + 1), self, strict=False) if at in wanted}
        return [found[at] for at in places] if isinstance(chosen, range) else found[chosen]

    def texts(self) -> Iterator[str]:
        """The text of each document, in normal form, paragraphs parted by newlines."""
        with self._read() as paths:
            yield from shard_texts(paths)

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row a document and the columns of docs/formats.md; it is read whole."""
        with self._read() as paths:
            return read_frame({self.name: paths})

    def __repr__(self) -> str:
        return f"<{self.name} of {self.corpus.folder}: {len(self):,} documents>"

    def _repr_html_(self) -> str:
        rows = [(doc.id, doc.title, doc.text[:120]) for _, doc in zip(range(5), self, strict=False)]
        title = f"{self.corpus.folder}, {self.name}: the first of {len(self):,} documents"
        return html_table(title, rows, headers=("id", "title", "text"), direction=self.corpus.direction)


class Corpus:
    """A finished corpus in its folder. Iterating gives the documents of all splits, one after another, read lazily.

    `folder` is where it lies (`<root>/<code>/corpus`), `code` its language's, `manifest` what was made and from what.
    """

    def __init__(
        self,
        folder: Path,
        manifest: dict[str, Any],
        language: Language | None = None,
        *,
        failed: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.manifest, self.language = folder, manifest, language
        self.failed = dict(failed or {})  # sources that this build could not have -> why

    @classmethod
    @front_door
    def load(cls, where: Place, *, root: Place | None = None) -> "Corpus":
        """The corpus in the folder `where`; with `root`, that of the language with the code `where` under it.

        Raises `ArtifactError` where there is none, or where it is damaged or unfinished.

        `Corpus.load("data/fa/corpus")` and `Corpus.load("fa", root="data")` are the same.
        """
        folder = home_expanded(where) if root is None else Layout(home_expanded(root), str(where)).corpus
        manifest = Manifest.read(folder, "corpus").required().content
        try:
            language = get(manifest["language"])
        except UlmkitError:  # a corpus can be read without its language
            language = None
        return cls(folder, manifest, language)

    @property
    def code(self) -> str:
        """The code of the corpus's language."""
        return str(self.manifest["language"])

    @property
    def layout(self) -> Layout:
        """The folders beside it: tokenizer, token files, models."""
        return Layout(self.folder.parent.parent, self.folder.parent.name)

    @property
    def direction(self) -> str:
        """`rtl` or `ltr`."""
        return self.language.identity.direction if self.language else "ltr"

    @property
    def train(self) -> CorpusSplit:
        """The documents to learn from."""
        return CorpusSplit(self, "train")

    @property
    def valid(self) -> CorpusSplit:
        """The documents to choose a model by."""
        return CorpusSplit(self, "valid")

    @property
    def test(self) -> CorpusSplit:
        """The documents that a chosen model is measured on, once."""
        return CorpusSplit(self, "test")

    def __iter__(self) -> Iterator[Document]:
        for split in SPLITS:
            yield from CorpusSplit(self, split)

    def __len__(self) -> int:
        return sum(len(CorpusSplit(self, split)) for split in SPLITS)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Split → how many documents, words and characters it has."""
        names = ("documents", "words", "characters")
        return {split: {name: self.manifest["splits"][split][name] for name in names} for split in SPLITS}

    @property
    def dropped(self) -> dict[str, int]:
        """Reason → how many documents were dropped for it, the commonest first."""
        reasons = self.manifest["counts"]["dropped"]
        return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))

    @front_door
    def dropped_samples(self, reason: str | None = None) -> list[dict[str, str]]:
        """Some of the documents that were dropped (for `reason`): id, source, reason, detail and the beginning."""
        samples = read_samples(self.folder / "dropped" / "samples.jsonl")
        return [sample for sample in samples if reason in (None, sample["reason"])]

    @property
    def signature(self) -> str:
        """The line that says how the corpus was made."""
        return str(self.manifest["signature"])

    def to_pandas(self) -> Any:
        """A pandas DataFrame of all splits, named in the column `split`. It is read whole: for corpora that fit."""
        return read_frame({split: CorpusSplit(self, split).paths for split in SPLITS})

    @front_door
    def to_datasets(self) -> Any:
        """A `datasets.DatasetDict` of the splits that have documents, over the same Parquet files.

        Raises `UsageError` where the package `datasets` is not installed.
        """
        try:
            import datasets
        except ImportError:
            raise UsageError(
                "to_datasets: the package 'datasets' is not installed. Install it, or use to_pandas()."
            ) from None
        files = {split: [str(path) for path in CorpusSplit(self, split).paths] for split in SPLITS}
        return datasets.load_dataset("parquet", data_files={split: found for split, found in files.items() if found})

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {each['documents']:,}" for split, each in self.counts.items())
        return f"<Corpus {self.folder}: {sizes} documents>"

    def _repr_html_(self) -> str:
        rows = [(split, *each.values()) for split, each in self.counts.items()]
        rows += [(f"dropped: {reason}", count, "", "") for reason, count in self.dropped.items()]
        headers = ("split", "documents", "words", "characters")
        return html_table(str(self.folder), rows, headers=headers, direction=self.direction)


@front_door
def build(
    language: Language,
    inputs: Place | Sequence[Place] | None = None,
    *,
    root: Place | None = None,
    name: str = "",
    licence: str = "unknown",
    text_field: str | None = None,
    documents: Literal["line", "blank-line", "file"] | None = None,
    table: str | None = None,
    limit: int | None = None,
    mirror: str | None = None,
    fetching: Fetching | None = None,
    valid_share: float = 0.02,
    test_share: float = 0.02,
    near_duplicates: bool = True,
    pii: Literal["keep", "mask", "drop"] = "keep",
    filters: Mapping[str, Any] | None = None,
    keep_gone: bool = False,
    workers: int | None = None,
    report: Report = silent,
) -> Corpus:
    """Build the corpus of `language` from `inputs`, or, without any, from the sources that the language declares.

    `inputs`: files, folders and globs of any kind that docs/formats.md names. `root` is where data lies (ULMKIT_ROOT,
    else `data`); the corpus goes to `<root>/<code>/corpus`, which is `corpus.folder`. `name` and `licence` are given to
    the documents of the inputs, `text_field` is the field or column that holds the text, if it is not found by itself;
    `documents` says what is one document of a plain text: a line, what stands between blank lines, or the file; `table`
    how tables are written, such as `delimiter=tab,quote=none`. `limit` takes so many articles of each declared source,
    `mirror` is another server for dumps (else ULMKIT_WIKIMEDIA_MIRROR); `fetching` says more of how sources are
    brought: which of them, who asks (else ULMKIT_CONTACT), offline, whose consent is wanted. What a source could not
    bring stands in `corpus.failed`. `valid_share` and `test_share` are shares of the documents. `pii` says what becomes
    of personal data. `filters` are limits of the language's `[filters]` that are others in this build, such as
    `{"min_characters": 100}`. `keep_gone` keeps crawled pages that have left the web since. `workers`: processes; all
    cores unless told, 0 is this process alone. `report` hears of progress, once a second at most: `report=print` shows
    it. The same inputs, language and options again are found finished, and an interrupted build goes on where it was.

    Raises `UsageError` for a file that is not there or an impossible option, `BusyError` while another build runs in
    the same folder, `ArtifactError` where no document is left or the disk is full.
    """
    expect_language(language)
    layout = Layout(default_root() if root is None else home_expanded(root), language.code)
    report = paced(report, REPORT_SECONDS)
    brought, how = Brought(), _fetching(fetching, mirror, limit)
    if inputs is None:
        brought = fetch_sources(language, layout, how, report=report)
        chosen = brought.inputs
    else:
        given = [str(each) for each in ([inputs] if isinstance(inputs, str | Path) else inputs)]
        asked = {"text_field": text_field, "documents": documents, "table": table}
        chosen = named_inputs(given, name=name, licence=licence, **asked)
    options = BuildOptions(
        *(valid_share, test_share, near_duplicates, pii, workers),
        consent=how.consent,
        licences=how.licences,
        gone=() if keep_gone else tuple(sorted(brought.gone)),
        filters=dict(filters or {}),
    )
    manifest = build_corpus(language, layout, chosen, options=options, pins=brought.pins, report=report)
    return Corpus(layout.corpus, manifest, language, failed=brought.failed)


def _fetching(fetching: Fetching | None, mirror: str | None, limit: int | None) -> Fetching:
    """How sources are brought, with what the environment says where nothing else does."""
    how = fetching or Fetching()
    return dataclasses.replace(
        how,
        mirror=mirror or how.mirror or os.environ.get(MIRROR_VARIABLE),
        limit=limit or how.limit,
        contact=how.contact or os.environ.get(CONTACT, ""),
    )
