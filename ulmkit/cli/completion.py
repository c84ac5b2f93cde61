"""What a shell offers behind the cursor: codes of languages, runs, presets. It loads no folder and no torch."""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def _beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def language_codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Languages that there are, bundled, installed and in `--languages`."""
    from ulmkit.language.places import folders

    return _beginning(incomplete, folders(ctx.params.get("languages")))


def run_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Language models of the language that stands before."""
    return _beginning(incomplete, _names(ctx, "lm"))


def classifier_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Classifiers of the language that stands before."""
    return _beginning(incomplete, _names(ctx, "classify"))


def _names(ctx: click.Context, stage: str) -> Iterable[str]:
    from ulmkit.artifacts.layout import names_in

    # an option that still lacks its value ends click's reading: the language is then an argument that nobody has taken
    code = ctx.params.get("code") or next(iter(ctx.args), "")
    return names_in(Path(ctx.params.get("root") or "data") / code / stage) if code else []


def preset_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of presets."""
    from ulmkit.lm.config import PRESETS

    return _beginning(incomplete, PRESETS)


def setting_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names for `--set`, each with its sign of equality."""
    import dataclasses

    from ulmkit.lm.config import LMConfig

    return _beginning(incomplete, (f"{field.name}=" for field in dataclasses.fields(LMConfig)))


def tuning_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names for `--set` of `classify`, each with its sign of equality."""
    import dataclasses

    from ulmkit.classifier.settings import TuningSettings

    return _beginning(incomplete, (f"{field.name}=" for field in dataclasses.fields(TuningSettings)))


language_code = click.argument("code", metavar="LANGUAGE", shell_complete=language_codes)
