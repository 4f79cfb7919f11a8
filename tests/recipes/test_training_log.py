"""The log of a training tells what each stage took."""

import os

from recipes.training_log import TrainingLog, last_measurements, stage_minutes


def test_lines_are_shown_and_kept_with_their_time(tmp_path):
    shown = []
    log = TrainingLog(tmp_path / "new" / "training.log", shown.append)
    log("tower step 50/100 loss 1.0")
    log("letter pairs: Text 0.50 all 0.25")
    assert shown == ["tower step 50/100 loss 1.0", "letter pairs: Text 0.50 all 0.25"]
    stamp, process, seconds, line = (
        (tmp_path / "new" / "training.log").read_text().splitlines()[0].split("\t")
    )
    assert stamp.endswith("Z")
    assert int(process) == os.getpid()
    assert float(seconds) >= 0
    assert line == shown[0]


def test_minutes_are_counted_by_stage_over_processes(tmp_path):
    log = tmp_path / "training.log"
    log.write_text(
        "t\t8\t60\ttower step 50/100 loss\n"
        "t\t9\t30\twords 50/200 open 0.6/0.5\n"  # beside the tower
        "t\t8\t120\tkind 1.00 colour 0.98\n"
        "t\t10\t30\ttower step 100/100 loss\n"  # a process that continued
        "t\t10\t90\twords 100/200 open 0.5/0.6\n"
        "t\t9\t60\topen pairs: all 0.1\n"
        "t\t10\t150\topen pairs: all 0.6\n"
    )
    assert stage_minutes(log) == {"tower": 2.5, "words": 3.0}
    assert last_measurements(log) == ["open pairs: all 0.6"]
