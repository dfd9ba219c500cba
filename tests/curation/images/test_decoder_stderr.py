"""What decoders say on stderr becomes a list; what others say stays on stderr."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from curation.images.decoder_stderr import decoder_complaints


def test_a_decoders_complaint_is_collected_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with decoder_complaints() as complaints:
        os.write(2, b"Corrupt JPEG data: premature end of data segment\n")
        os.write(2, b"libpng error: IDAT: CRC error\n")
    assert complaints == ["Corrupt JPEG data: premature end of data segment", "libpng error: IDAT: CRC error"]
    assert capfd.readouterr().err == ""


def test_harmless_remarks_are_neither_collected_nor_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with decoder_complaints() as complaints:
        os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\n")
        os.write(2, b"Corrupt JPEG data: 3 extraneous bytes before marker 0xd9\n")
    assert complaints == []
    assert capfd.readouterr().err == ""


def test_lines_of_others_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with decoder_complaints() as complaints:
        os.write(2, b" 50 % done\r\n")
    assert complaints == []
    assert capfd.readouterr().err == " 50 % done\r\n"


def test_stderr_is_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), decoder_complaints():
        raise ZeroDivisionError
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_no_descriptor_stays_open() -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(20):
        with decoder_complaints():
            pass
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_threads_take_turns_and_get_their_own_complaints(capfd: pytest.CaptureFixture[str]) -> None:
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        with decoder_complaints() as complaints:
            os.write(2, f"Corrupt JPEG data: {number}\n".encode())
        found[number] = complaints

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [f"Corrupt JPEG data: {number}"] for number in range(20)}
    assert capfd.readouterr().err == ""


def test_a_process_without_stderr_can_decode_too() -> None:
    program = (
        "import os; os.close(2)\n"
        "from curation.images.decoder_stderr import decoder_complaints\n"
        "with decoder_complaints() as complaints: os.write(2, b'Corrupt JPEG data: x\\n')\n"
        "print(complaints)"
    )
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout == "['Corrupt JPEG data: x']\n"
