"""The shared operations, by name: what each does to a text, and which neighbouring characters it needs to act.

Every operation is idempotent, alone and in sequence, and linear in the text.
"""

from ulmkit.text.operations import composition, joiners, letters, marks  # importing a module names its operations
from ulmkit.text.operations.always import REQUIRED
from ulmkit.text.operations.base import NO_TRIGGER, OPERATIONS, RUNS, VERSION, Operation, Rule, Settings, Triggers
from ulmkit.text.operations.match import MATCH_ONLY

__all__ = [
    "MATCH_ONLY",
    "NO_TRIGGER",
    "OPERATIONS",
    "REQUIRED",
    "RUNS",
    "VERSION",
    "Operation",
    "Rule",
    "Settings",
    "Triggers",
    "composition",
    "joiners",
    "letters",
    "marks",
]
