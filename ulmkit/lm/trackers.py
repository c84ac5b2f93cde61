"""TensorBoard, for those who watch their runs there: every number of metrics.jsonl at its step."""

from typing import Any

from ulmkit.errors import UsageError


def summary_writer() -> type[Any]:
    """The class that writes TensorBoard's files. Raises `UsageError` where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            f"--tensorboard: {error}. Run `pip install 'ulmkit[trackers]'`, or leave it out: metrics.jsonl has all."
        ) from error
    return SummaryWriter


class TensorBoard:
    """Lines of metrics.jsonl into event files; a `writer` with `purge_step` takes back what a killed life wrote."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def write(self, line: dict[str, Any]) -> None:
        """One line of metrics.jsonl."""
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                self.writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        self.writer.close()
