"""The operation of a name, set up for a language: a shared one, or a function of the folder's own rules.py."""

from difflib import get_close_matches
from typing import Any

from ulmkit.errors import LanguageError
from ulmkit.text.operations import OPERATIONS, Operation, Rule, Settings
from ulmkit.text.rules import guarded


def _own_rule(name: str, settings: Settings) -> Operation:
    """`rules.<function>` of the language's rules.py; its attributes `triggers`, `literals`, `enables` are those of
    a `Rule`. A function without triggers is run on every text."""
    function = settings.rules.function(name, "operation")
    run = guarded(function, settings.rules)

    def apply(text: str) -> tuple[str, int]:
        changed = run(text)
        return changed, _differences(text, changed)

    enables = getattr(function, "enables", None)
    return Operation(
        name,
        rules=(
            Rule(
                apply,
                tuple(map(tuple, getattr(function, "triggers", ()))),
                getattr(function, "literals", ""),
                None if enables is None else tuple(enables),
            ),
        ),
    )


def _differences(before: str, after: str) -> int:
    """How often a function from text to text acted: the places that differ where both have one length, else by how
    many characters it is longer or shorter."""
    if before == after:
        return 0
    if len(before) != len(after):
        return abs(len(before) - len(after))
    return sum(a != b for a, b in zip(before, after, strict=True))


def make_operation(name: str, settings: Settings) -> Operation:
    """The operation called `name`, set up for a language; a `LanguageError` names the nearest known one."""
    if name.startswith("rules."):
        return _own_rule(name, settings)
    check_operation(name, settings)
    return OPERATIONS[name](settings)


def check_operation(name: str, settings: Settings) -> None:
    """Raise a `LanguageError` where `make_operation` would; only what is cheap is made."""
    if name.startswith("rules."):
        _own_rule(name, settings)
    elif name == "quotes" and len(settings.quotes) != 2:
        raise LanguageError("operation 'quotes' needs the language's 'quotes', an opening and a closing mark.")
    elif name not in OPERATIONS:
        near = get_close_matches(name, OPERATIONS, 1)
        hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted(OPERATIONS))}."
        raise LanguageError(f"no operation '{name}'.{hint}")


def about_operation(name: str, settings: Settings) -> str:
    """What the operation called `name` does: the first paragraph of its docstring, on one line."""
    if name.startswith("rules."):
        made: Any = settings.rules.function(name, "operation")
    else:
        made = OPERATIONS.get(name)
    return " ".join((getattr(made, "__doc__", "") or "").split("\n\n")[0].split())
