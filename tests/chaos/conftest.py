"""Ctrl-C for the tests that send it."""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Lets SIGINT reach what the tests start: a shell's background job ignores it, and so would its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
