import threading

import pytest

from flows.commands import Commands


def test_commands_pass_on_every_line_as_it_comes() -> None:
    said: list[str] = []
    assert Commands().run(["sh", "-c", "echo one; echo two >&2; exit 3"], said.append) == (3, ["one", "two"])
    assert said == ["one", "two"]


def test_commands_end_what_is_going_on_and_let_nothing_start() -> None:
    commands, codes, begun = Commands(), [], threading.Event()
    thread = threading.Thread(target=lambda: codes.append(
        commands.run(["sh", "-c", "echo begun; sleep 600"], lambda _: begun.set())[0]))
    thread.start()
    assert begun.wait(30)
    commands.end()
    thread.join(30)
    assert codes == [128 + 15]
    with pytest.raises(InterruptedError, match="this one is over"):
        commands.run(["true"], print)
