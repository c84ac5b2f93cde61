"""From text that is trusted to limits and stop words: read, measured, calibrated, and written into the folder."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ulmkit.authoring import calibrate as limits
from ulmkit.authoring.calibrate import Calibration
from ulmkit.authoring.measure import (
    describe_sample,
    frequent_words,
    measure_texts,
    read_junk_pages,
    read_sample,
    unheard,
)
from ulmkit.errors import UsageError
from ulmkit.formats.inputs import Input
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent


@dataclass(frozen=True)
class Proposed:
    """What a sample proposes for `language`: limits, and stop words, most frequent first, where they were asked for."""

    language: Language
    calibration: Calibration
    stop_words: tuple[str, ...] = ()

    @property
    def overruled(self) -> dict[str, str]:
        """Limit → where its present value comes from, for each that would change and was not calibrated."""
        origins = self.language.filters.origins
        found = {each.name: origins.get(each.name, "calibrated") for each in self.calibration.changes}
        return {name: origin for name, origin in found.items() if not origin.startswith("calibrated")}

    def write(self) -> list[Path]:
        """Write the limits into language.toml, with where they come from, and stopwords.txt; the files written.

        Raises `UsageError` where there is a stopwords.txt, `LanguageError` where the folder would not load with the
        limits; language.toml is then as it was.
        """
        date, sample = datetime.now(UTC).date().isoformat(), self.calibration.sample
        written = []
        if self.stop_words:
            written.append(limits.write_stop_words(self.language, self.stop_words, sample, date=date))
        return [*written, limits.write(self.language, self.calibration, date=date)]


def calibrate_on(
    language: Language,
    inputs: Sequence[Input],
    *,
    keep: float = 0.99,
    jointly: float = 0.95,
    tighten: bool = False,
    only: Collection[str] = (),
    stop_words: int | None = None,
    remark: Callable[[str], None] = unheard,
    report: Report = silent,
) -> Proposed:
    """Limits from the documents of `inputs`, of which each keeps the share `keep` and all together `jointly`.

    `tighten` lets the sample narrow too what pages may be made of; `only` names the limits that may change;
    `stop_words` proposes so many for a language that has none. `remark` hears of tables whose layout is not sure.
    Nothing is written.

    Raises `UsageError` where `language` has stop words already, or no spaces to count words by, and for a sample too
    small to say where its hundredth lies.
    """
    if stop_words and not language.segmentation.spaced:
        raise UsageError(
            f"'{language.code}' has no spaces between its words, so none can be counted: write its stopwords.txt."
        )
    if stop_words and language.stop_words:
        raise UsageError(f"'{language.code}' has stop words: leave --stop-words out, or remove its stopwords.txt.")
    texts = read_sample(language, inputs, remark=remark, report=report)
    sample = describe_sample(inputs, texts)
    words = frequent_words(language, texts, stop_words) if stop_words else []
    asked = limits.with_stop_words(language, words) if words else language
    measured, junk = measure_texts(asked, texts), measure_texts(asked, read_junk_pages(language))
    calibration = limits.calibrate(
        language, sample, measured, each=keep, jointly=jointly, tighten=tighten, only=only, junk=junk
    )
    return Proposed(language, calibration, tuple(words))
