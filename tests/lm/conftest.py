"""One thread."""

from torch_tests import one_thread  # noqa: F401 (a fixture for all tests here)
