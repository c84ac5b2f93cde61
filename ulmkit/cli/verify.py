"""`ulmkit verify`: every file against its manifest."""

import click

from ulmkit.cli.common import Scene, shared
from ulmkit.errors import ArtifactError


@click.command()
@click.argument("code", metavar="LANGUAGE")
@shared
def command(scene: Scene, code: str) -> None:
    """Compare every file of LANGUAGE under --root with the manifest that was written with it.

    \b
    ulmkit verify fa
    """
    from ulmkit.artifacts.manifest import verify_folder

    layout = scene.layout(code)
    stages = {"corpus": layout.corpus, "tokenizer": layout.tokenizer, "tokens": layout.tokens}
    runs = sorted(path.parent for path in layout.lm.glob("*/manifest.json")) if layout.lm.is_dir() else []
    found = [(stage, folder) for stage, folder in stages.items() if (folder / "manifest.json").exists()]
    found += [("lm", run) for run in runs]
    if not found:
        raise ArtifactError(f"{layout.home}: nothing is built here yet. Start with `ulmkit corpus build {code}`.")
    problems = []
    for stage, folder in found:
        wrong = verify_folder(folder, stage)
        problems += wrong
        scene.say(f"{folder}: {'whole' if not wrong else f'{len(wrong)} changed'}")
    if problems and not scene.as_json:
        for line in problems:
            scene.remark(line)
    scene.finish({"checked": [str(folder) for _, folder in found], "problems": problems})
    if problems:
        raise ArtifactError(f"{problems[0]}. Build that stage again.")
