"""`ulmkit language`: what languages there are."""

import click

from ulmkit.cli.common import Scene, shared, table


@click.group()
def command() -> None:
    """What languages there are, and what they hold."""


@command.command("list")
@shared
def list_(scene: Scene) -> None:
    """Every language that can be found, with what is wrong with those that are broken."""
    from ulmkit.language.registry import known

    found = known(scene.languages)
    rows = []
    for entry in found:
        if entry.language is None:
            rows.append((entry.code, "", "", "", f"broken: {entry.error}"))
            continue
        identity = entry.language.identity
        sources = ", ".join(source.name for source in entry.language.sources)
        rows.append((entry.code, identity.name, identity.script, identity.direction, sources))
    scene.say(table(("code", "name", "script", "direction", "sources"), rows))
    if scene.as_json:
        keys = ("code", "name", "script", "direction", "sources")
        scene.finish({"languages": [dict(zip(keys, row, strict=True)) for row in rows]})


@command.command()
@click.argument("code", metavar="LANGUAGE")
@shared
def show(scene: Scene, code: str) -> None:
    """The resolved language: identity, operations in order, filters and where each number comes from."""
    import dataclasses

    language = scene.language(code)
    identity = language.identity
    scene.say(f"{identity.code}  {identity.name} ({identity.native_name}), {identity.script}, {identity.direction}")
    scene.say(f"fingerprint {language.fingerprint}, read from {language.folder}\n")
    for form in ("train", "match"):
        scene.say(f"{form}: {', '.join(language.normalizers[form].operations)}")
    scene.say(f"protected: {', '.join(language.normalization.protect)}\n")
    limits = [
        (field.name, str(getattr(language.filters, field.name)), language.filters.origins.get(field.name, "default"))
        for field in dataclasses.fields(language.filters)
        if field.name not in ("boilerplate", "origins")
    ]
    scene.say(table(("filter", "limit", "from"), limits))
    sources = [(source.name, source.kind, source.locator, source.licence) for source in language.sources]
    scene.say("\n" + table(("source", "kind", "locator", "licence"), sources))
    if scene.as_json:
        scene.finish(
            {
                "code": language.code,
                "fingerprint": language.fingerprint,
                "identity": dataclasses.asdict(identity),
                "operations": {form: list(language.normalizers[form].operations) for form in ("train", "match")},
                "filters": {name: value for name, value, _ in limits},
                "sources": [dataclasses.asdict(source) for source in language.sources],
            }
        )
