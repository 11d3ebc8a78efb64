"""curves: what dvc plots draws, epoch by epoch."""

from radiotrace.learning.curves import Curves


def row(epoch: int, loss: float, posterior: float | None) -> dict:
    scores = {"anterior": 0.5, "posterior": posterior}
    return {"epoch": epoch, "train_loss": loss, "learning_rate": 0.001, "validation_dice": scores}


def read(folder, name: str) -> str:
    return (folder / "plots/metrics" / f"{name}.tsv").read_text()


def test_each_epoch_has_a_row_as_soon_as_it_is_done(tmp_path):
    curves = Curves(tmp_path / "live", [], "dice")
    curves.epoch(row(1, 0.9, 0.25))
    assert read(tmp_path / "live", "train_loss") == "step\ttrain_loss\n1\t0.9\n"
    curves.epoch(row(2, 0.75, 0.5))
    assert read(tmp_path / "live", "train_loss") == "step\ttrain_loss\n1\t0.9\n2\t0.75\n"
    assert read(tmp_path / "live", "validation_dice/posterior") == "step\tposterior\n1\t0.25\n2\t0.5\n"


def test_a_run_that_goes_on_has_the_bytes_of_one_that_was_not_stopped(tmp_path):
    rows = [row(epoch, 1 / epoch, None if epoch == 1 else 0.5) for epoch in (1, 2, 3)]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    first = Curves(whole, [], "dice")
    for done in rows:
        first.epoch(done)
    Curves(resumed, [], "dice").epoch(rows[0])  # killed
    second = Curves(resumed, rows[:2], "dice")
    second.epoch(rows[2])
    names = sorted(path.relative_to(whole) for path in whole.rglob("*.tsv"))
    assert len(names) == 4
    assert [(whole / name).read_bytes() for name in names] == [
        (resumed / name).read_bytes() for name in names
    ]


def test_curves_of_an_earlier_run_stay_until_an_epoch_is_done(tmp_path):
    Curves(tmp_path / "live", [], "dice").epoch(row(1, 0.9, 0.25))
    curves = Curves(tmp_path / "live", [], "dice")
    assert read(tmp_path / "live", "train_loss") == "step\ttrain_loss\n1\t0.9\n"
    curves.epoch(row(1, 0.75, 0.5))
    assert read(tmp_path / "live", "train_loss") == "step\ttrain_loss\n1\t0.75\n"


def test_a_run_that_goes_on_after_its_last_epoch_has_its_curves(tmp_path):
    Curves(tmp_path / "live", [row(1, 0.9, 0.25), row(2, 0.75, 0.5)], "dice")
    assert read(tmp_path / "live", "train_loss") == "step\ttrain_loss\n1\t0.9\n2\t0.75\n"


def test_a_score_that_is_undefined_has_no_row(tmp_path):
    curves = Curves(tmp_path, [], "dice")
    curves.epoch(row(1, 0.9, None))
    assert not (tmp_path / "plots/metrics/validation_dice/posterior.tsv").exists()
