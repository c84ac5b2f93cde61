"""A language model goes on with texts of one's own: tables to token files in the run's folder, and a run on them."""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ulmkit.arguments import front_door
from ulmkit.artifacts.atomic import lock, read_json, write_json
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import Manifest
from ulmkit.artifacts.stage import stage
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.classifier.table import Columns, Table, cell_text, row_problem, text_column
from ulmkit.document import Unreadable
from ulmkit.errors import ArtifactError, BusyError, InputError, UlmkitError, UsageError
from ulmkit.formats.table_told import told_layout
from ulmkit.language.spec import Language
from ulmkit.lm import run as room
from ulmkit.lm.config import LMConfig, replace_config
from ulmkit.lm.config import preset as preset_config
from ulmkit.lm.distributed import launched
from ulmkit.lm.finetuning import finetuning_config
from ulmkit.lm.records import BEST, CONFIG, LAST, OWN_TOKENS, TEXTS, TrainResult
from ulmkit.lm.state import read_state, saved_config
from ulmkit.names import stored_name
from ulmkit.progress import Progress, Report, paced, silent
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.texts import PieceFit, Splits, TextCollection, TextCounts, texts_inputs, write_texts
from ulmkit.workflow.corpus import REPORT_SECONDS
from ulmkit.workflow.languages import expect_language
from ulmkit.workflow.model import LM, training_report
from ulmkit.workflow.tokenizer import Tokenizer as PieceTokenizer

NONE = "none"  # in the place of a run's name: begin with random weights
_BATCH = 1_000  # texts that are encoded at once
_SHOWN = 3  # rows that cannot be read, of which the reasons are kept
ILL_FITTING = 1.5  # pieces a word, as a multiple of the corpus' own
MOST_BYTES = 0.02  # of all pieces


@dataclass
class TextSource:
    """Texts to learn from: where they come from, and what could not be read of it."""

    files: tuple[Path, ...] = ()
    column: str | None = None
    given: Sequence[str] = ()  # texts themselves, where there are no files
    layout: str = ""  # of the tables, as a person says it
    columns: list[str] = field(default_factory=list)  # the column of each file, once it was read
    unread: int = 0
    reasons: list[str] = field(default_factory=list)  # of the first rows that could not be read
    remarks: list[str] = field(default_factory=list)  # tables whose layout is not sure

    def __iter__(self) -> Iterator[str]:
        """Every text in order, empty ones among them."""
        yield from self.given
        for path in self.files:
            table = Table(path, lines=self.column is None, layout=self.layout)
            name = text_column(table, Columns(self.column))
            self.columns.append(name)
            self.remarks += table.remarks
            for row in table:
                if isinstance(row, Unreadable):
                    self._leave_out(row_problem(row, table.name))
                elif isinstance(cell := row[1].get(name), list | tuple | dict):
                    self._leave_out(f"{table.name}:{row[0]}: several values in one cell, and no text")
                else:
                    yield cell_text(cell)

    def _leave_out(self, reason: str) -> None:
        self.unread += 1
        if len(self.reasons) < _SHOWN:
            self.reasons.append(reason)

    @property
    def names(self) -> list[str]:
        return [stored_name(path.name) for path in self.files]

    def to_json(self) -> dict[str, Any]:
        told = {"table": str(told_layout(self.layout))} if self.layout else {}
        read = {"files": self.names, "columns": self.columns, **told}
        return read | {"unread": self.reasons, "remarks": self.remarks}


@dataclass(frozen=True)
class OwnTexts:
    """What a run on texts of its own reads: counts, and how the pieces fit beside how they fit the corpus."""

    counts: TextCounts
    fit: PieceFit
    corpus_fit: PieceFit | None  # None where the corpus' token files are not there
    source: TextSource
    test: TextSource | None

    @property
    def remarks(self) -> list[str]:
        """What whoever trains on these texts should know, a line each."""
        found = [remark for source in (self.source, self.test) if source for remark in source.remarks]
        found += [f"left out: {line}" for line in self.source.reasons]
        ours, theirs = self.fit, self.corpus_fit
        if theirs and ours.a_word > ILL_FITTING * theirs.a_word:
            found.append(
                f"{ours.a_word:.2f} pieces a word, {theirs.a_word:.2f} in the corpus: the tokenizer does not know "
                "these words. One that is trained on such texts would fit better."
            )
        if ours.byte_share > MOST_BYTES:
            found.append(
                f"{ours.byte_share:.1%} of the pieces spell characters byte by byte that the tokenizer has not seen."
            )
        return found

    @property
    def lines(self) -> list[str]:
        """Counts and fit, for people."""
        counts, fit, corpus = self.counts, self.fit, self.corpus_fit
        gone = {
            "empty": counts.empty,
            "repeated": counts.repeated,
            "of the test left out": counts.left_out,
            "unreadable": counts.unread,
        }
        told = ", ".join(f"{number:,} {what}" for what, number in gone.items() if number)
        beside = f" ({corpus.a_word:.2f} and {corpus.byte_share:.2%} in the corpus)" if corpus else ""
        return [
            f"texts   {counts.train:,} to learn from, {counts.valid:,} held out{f'; {told}' if told else ''}",
            f"pieces  {fit.a_word:.2f} a word, {fit.byte_share:.2%} single bytes{beside}",
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "input": self.source.to_json(),
            "test": self.test.to_json() if self.test else None,
            "counts": asdict(self.counts),
            "fit": self.fit.to_json(),
            "corpus_fit": self.corpus_fit.to_json() if self.corpus_fit else None,
        }


@dataclass(frozen=True)
class FineTuned:
    """A finished run, its texts, and how many validations without a better one would have ended it."""

    result: TrainResult
    texts: Mapping[str, Any]
    patience: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self.result) | {"folder": str(self.result.folder), "texts": dict(self.texts)}


def usual_config(layout: Layout, start: str, sizes: str | None, changes: Mapping[str, Any], *, timed: bool) -> LMConfig:
    """The config of a run that begins with run `start`, or with `none` and the sizes of preset `sizes`.

    Raises `UsageError` where there is no such run, for sizes beside its own, and for settings that are none.
    """
    if start == NONE:
        return finetuning_config(preset_config(sizes or "small"), changes, begun=False, timed=timed)
    if sizes is not None:
        raise UsageError(
            f"--preset {sizes}: the sizes are those of {start}. Leave it out, or begin with --from {NONE}."
        )
    folder = layout.run(start)
    if not (folder / BEST).is_dir():
        raise UsageError(
            f"{folder}: no run with a best/ here to begin with. Train one with `ulmkit lm pretrain {layout.code}`, or "
            f"learn from these texts alone with --from {NONE}."
        )
    before = saved_config(read_state(folder / BEST), folder / BEST)
    config = finetuning_config(before, changes, timed=timed)
    room.refuse_other_direction(before, config, folder)
    for name in ("embedding_size", "hidden_size", "layers", "memory"):
        if (now := getattr(config, name)) != (then := getattr(before, name)):
            raise UsageError(f"{name} is {now}, and {then} in {start}. Leave it out, or begin with --from {NONE}.")
    return config


def finetune_run(
    language: Language,
    layout: Layout,
    run: str,
    texts: TextSource | None,
    *,
    start: str | None = None,
    sizes: str | None = None,
    changes: Mapping[str, Any],
    test: TextSource | None = None,
    minutes: float | None = None,
    resume: bool = False,
    told: Callable[[OwnTexts], None] | None = None,
    report: Report = silent,
    **how: Any,
) -> FineTuned:
    """Train run `run` on `texts`, without those of `test`, beginning with the best weights of run `start`.

    `start` is `none` for random weights, and `pretrained` if not given. `changes` are settings in place of the usual
    ones. With `resume` it goes on as it began, and `texts` may be left out. `told` hears of the texts before the first
    step; `how` is `lm.run.pretrain`'s: device, progress, audited and so on.

    Raises `UsageError` where the run is there already and `resume` is not given, and for settings that do not fit;
    `InputError` where nothing can be learned from the texts; else as `lm.run.pretrain`.
    """
    if not launched().alone:
        raise UsageError(
            "fine-tuning is one process's work: its texts are encoded where it trains. Leave torchrun out."
        )
    if texts is None and not resume:
        raise UsageError("no texts to learn from. Give --input FILE.")
    folder, budget = layout.run(run), None if minutes is None else 60 * minutes
    saved = room.saved_state(folder, resume)
    if saved is None:
        start = start or (_begun_with(folder) if resume else None) or "pretrained"
        config = usual_config(layout, start, sizes, changes, timed=budget is not None)
    else:
        config, budget = replace_config(saved_config(saved, folder / LAST), changes), budget or saved["time_budget_s"]
    with _whole_or_as_it_was(folder):
        about = _prepared(language, layout, folder, texts, test, config, resume, told, report)
        result = room.pretrain(
            open_token_file(folder / OWN_TOKENS, "train"),
            open_token_file(folder / OWN_TOKENS, "valid"),
            folder,
            config,
            resume=resume,
            time_budget_s=budget,
            start=None if start in (None, NONE) else layout.run(start),
            watch_plateau=True,
            **how,
        )
    return FineTuned(result, about, config.patience)


@contextlib.contextmanager
def _whole_or_as_it_was(folder: Path) -> Iterator[None]:
    """Where a run fails before its first checkpoint, what it put into its folder goes: nobody can go on with that."""
    before = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    try:
        yield
    except BusyError:
        raise
    except UlmkitError:
        if folder.is_dir() and not (folder / LAST).is_dir():
            with contextlib.suppress(BusyError), lock(folder, "clearing what failed"):
                for path in folder.iterdir():
                    if path.name not in before and path.name[0] != ".":
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _prepared(
    language: Language,
    layout: Layout,
    folder: Path,
    texts: TextSource | None,
    test: TextSource | None,
    config: LMConfig,
    resume: bool,
    told: Callable[[OwnTexts], None] | None,
    report: Report,
) -> Mapping[str, Any]:
    """See to it that the run's token files stand in its folder; what they were made of."""
    tokenizer = Tokenizer.load(layout.tokenizer, language)
    if texts is None:
        return _standing_texts(folder)
    collection = _collected(language, tokenizer, texts, test, report)
    splits = collection.splits()
    _refuse_few(splits, config.batch_size)
    own = _own_texts(layout, collection, splits, texts, test)
    if told:
        told(own)
    return _write_own_texts(folder, collection, splits, own, resume)


def _begun_with(folder: Path) -> str | None:
    """What a run that saved nothing yet was to begin with; None where it is not said."""
    if not (folder / CONFIG).exists():
        return None
    start = read_json(folder / CONFIG).get("start")
    return start["run"] if start else NONE


def _collected(
    language: Language, tokenizer: Tokenizer, texts: TextSource, test: TextSource | None, report: Report
) -> TextCollection:
    """All texts as ids, those of the test left out."""
    collection = TextCollection(language, tokenizer)
    collection.keep_out(test or ())
    for batch in itertools.batched(texts, _BATCH):
        collection.add(batch)
        report(Progress("read texts", collection.counts.given, None, "texts"))
    collection.counts.unread = texts.unread
    return collection


def _refuse_few(splits: Splits, batch_size: int) -> None:
    ids, documents = splits["train"]
    if len(ids) <= batch_size:
        raise InputError(
            f"{len(documents):,} texts of {len(ids):,} pieces to learn from do not fill one step of {batch_size} "
            f"streams. Give more texts, or --batch-size {max(1, len(ids) // 2)}."
        )


def _own_texts(
    layout: Layout, collection: TextCollection, splits: Splits, source: TextSource, test: TextSource | None
) -> OwnTexts:
    corpus_fit = None
    with contextlib.suppress(ArtifactError):  # a model may be here without the corpus that it comes from
        corpus = open_token_file(layout.tokens, "valid")
        if corpus.tokenizer == collection.tokenizer.fingerprint and len(corpus.ids):
            corpus_fit = PieceFit.of(corpus.ids, corpus.documents)
    return OwnTexts(collection.counts, PieceFit.of(*splits["train"]), corpus_fit, source, test)


def _write_own_texts(
    folder: Path, collection: TextCollection, splits: Splits, own: OwnTexts, resume: bool
) -> Mapping[str, Any]:
    """Put the token files of `splits` into the run's folder, where they do not stand yet; what they were made of.

    Raises `UsageError` where the run that stands there began with other texts.
    """
    with stage(folder / OWN_TOKENS, "tokens", doing="training", held=folder) as work:
        saved, standing = room.saved_state(folder, resume), work.standing()
        if standing is not None and standing.content.get("inputs") == texts_inputs(collection, splits):
            about = standing.content.get("texts", {})
        elif saved is not None:
            raise UsageError(
                f"{folder}: began with other texts than these. Leave --input out to go on with those, or choose "
                "another --run name."
            )
        else:
            content = write_texts(work.new, collection, splits)
            about = work.finish(content | {"texts": own.to_json()}).content["texts"]
        write_json(folder / TEXTS, about)
    return about


def _standing_texts(folder: Path) -> Mapping[str, Any]:
    """What the token files in the run's folder were made of."""
    if not (folder / OWN_TOKENS).is_dir():
        raise UsageError(f"{folder}: no texts of its own to go on with. Give --input FILE.")
    manifest = Manifest.read(folder / OWN_TOKENS, "tokens")
    return manifest.content.get("texts", {})


@front_door
def finetune(
    language: Language,
    texts: list[str] | tuple[str, ...],
    lm: LM | PieceTokenizer,
    *,
    test: list[str] | tuple[str, ...] = (),
    preset: str | None = None,
    minutes: float | None = None,
    run: str = "finetuned",
    resume: bool = False,
    device: str = "auto",
    tensorboard: bool = False,
    report: Report = silent,
    **settings: Any,
) -> LM:
    """Go on training `lm` with `texts`: those of a task, or of a field. The best of the new run's checkpoints.

    Every text is read once, in normal form and of any length, but those that stand in `test`, however spelled; a
    twentieth is held out. The run lies beside `lm` as `<root>/<code>/lm/<run>`, with token files of its own. With a
    tokenizer in the place of `lm` it learns from these texts alone, with the sizes of `preset` (`small`). `settings`
    (epochs, lr, backward, patience …) stand in docs/training.md, what is usual in docs/classify.md. `minutes` fits the
    whole schedule into that time; `resume` goes on from the last checkpoint.

    Raises `UsageError` where `run` is there already and `resume` is not given, and for an unknown setting; `InputError`
    where nothing can be learned from the texts.

    `ulmkit.finetune(fa, comments, lm, test=held_out)`
    """
    expect_language(language)
    if isinstance(lm, LM) and (lm.language is None or lm.language.code != language.code):
        raise UsageError(f"{lm!r} is of another language than '{language.code}'. Give one of its own.")
    layout, report = lm.layout, paced(report, REPORT_SECONDS)
    finetune_run(
        language,
        layout,
        run,
        TextSource(given=texts),
        start=lm.run if isinstance(lm, LM) else NONE,
        sizes=preset,
        changes=settings,
        test=TextSource(given=test) if test else None,
        minutes=minutes,
        resume=resume,
        device=device,
        tensorboard=tensorboard,
        progress=training_report(report),
        report=report,
    )
    return LM.load(layout.run(run), language=language)
