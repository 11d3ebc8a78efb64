"""Tables: reading, leaks, encoding, models, the graph and explanations, each against arithmetic or another
program."""

import itertools
import json
from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from scipy import special
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from radiotrace.errors import StageError
from radiotrace.pipeline import splits
from radiotrace.records.dataset import Case, Column, Identity, ImageFile
from radiotrace.records.sections.tabular.train import BoostingSection, TrainParams
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.records.tabular.feature import Feature
from radiotrace.statistics import cox
from radiotrace.tabular import (
    checks,
    encoding,
    explain,
    fitting,
    graph,
    model,
    perturbations,
    reading,
    scores,
    shipped,
    table,
    transport,
    tuning,
)
from radiotrace.tabular.fitting import Boosting, NoFitError
from radiotrace.tabular.model import Line, RiskModel
from radiotrace.tabular.table import Rows
from tests import risk_tables

AGE = Feature("age", "number", "years", 0, 120, ())
GRADE = Feature("grade", "category", "", None, None, ("I", "II", "III"))
LIMITS = ValidateParams(1, 1, 1, 1, 0, 0, False, 1, 5, ())
BOOSTING = Boosting(20, 2, 0.1, 5, 0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows(n: int = 200, kind: str = "binary", seed: int = 0) -> Rows:
    """Two numbers and a category, of which the first number and the last word raise the risk."""
    draw = rng(seed)
    x = np.column_stack([draw.normal(60, 10, n), draw.normal(size=n), draw.integers(0, 3, n)])
    linear = 0.1 * (x[:, 0] - 60) + (x[:, 2] == 2)
    x[draw.random(n) < 0.1, 1] = np.nan
    time = None
    if kind == "binary":
        positive = draw.random(n) < special.expit(linear)
    else:
        happens, ends = draw.exponential(np.exp(-linear)), draw.uniform(0.2, 3, n)
        positive, time = happens <= ends, np.minimum(happens, ends)
    names = tuple(f"row_{number:03d}" for number in range(n))
    return Rows(names, np.array(names, dtype=object), x.astype(np.float32), positive, time)


FEATURES = (AGE, Feature("marker", "number", "", None, None, ()), GRADE)


def fitted(kind: str, name: str, of: Rows | None = None) -> RiskModel:
    of = rows(kind=kind) if of is None else of
    chosen = tuning.Chosen(1.0, BOOSTING if name == "boosting" else None, (), ())
    return tuning.fitted(of, FEATURES, chosen, None if kind == "binary" else 1.0)


# Reading


def faults_of(folder) -> list[str]:
    with pytest.raises(StageError) as caught:
        reading.read_dataset(folder, ("n/a",))
    return caught.value.findings


def test_a_table_is_read_with_what_is_not_known(tmp_path):
    folder = risk_tables.write(tmp_path / "data", "survival")
    found = reading.read_dataset(folder, ("n/a",))
    assert len(found.cases) == risk_tables.N
    first = found.cases[0]
    cells = risk_tables.rows("survival")[0]
    assert first.values["age_years"] == float(cells["age_years"])
    assert first.values["months"] == float(cells["months"])
    assert first.attributes == {"grade": cells["grade"], "site": cells["site"]}
    unknown = [case.case_id for case in found.cases if "marker" not in case.values]
    assert unknown == [row["case_id"] for row in risk_tables.rows("survival") if row["marker"] == "n/a"]


@pytest.mark.requirement("SRS-ROW-2")
def test_every_fault_of_a_declaration_is_named_at_once(tmp_path):
    declared = risk_tables.declaration("binary")
    declared["columns"]["grade"]["categories"] = ["low", "high"]
    columns = declared["columns"]
    folder = risk_tables.write(
        tmp_path / "data",
        "binary",
        labels={"0": "sick", "1": "sick"},
        columns=columns,
        known_later=["marker"],
        licences="CC0",
        modality="MRI",
    )
    found = "\n".join(faults_of(folder))
    for said in ("'licences'", "labels", "marker: is a feature and under known_later", "modality", "grade"):
        assert said in found


def test_a_column_that_is_known_only_later_is_no_group(tmp_path):
    of = [{**row, "discharge": "home"} for row in risk_tables.rows("binary")]
    folder = risk_tables.write(tmp_path / "data", "binary", of)
    assert "discharge" not in reading.read_dataset(folder, ("n/a",)).cases[0].attributes


def test_rows_that_nothing_tells_apart_have_one_hash():
    assert reading.row_sha256({"a": 1.0, "b": "x"}) == reading.row_sha256({"b": "x", "a": 1.0})
    assert reading.row_sha256({"a": 1.0, "b": "x"}) != reading.row_sha256({"a": 1.0})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"months": Column("target", "number")}, "no unit"),
        ({"other": Column("target", "class")}, "found 2 targets of kind class"),
        ({"age": Column("feature", "number")}, 'no unit; ""'),
        (
            {"m": Column("target", "number", "d"), "n": Column("target", "number", "d")},
            "expected one at most",
        ),
    ],
)
def test_columns_that_no_risk_is_learnt_from_are_refused(change, said):
    columns = {"outcome": Column("target", "class"), "marker": Column("feature", "number", "mg/l")}
    assert table.faults(columns) == []
    assert said in "; ".join(table.faults(columns | change))


def test_a_time_makes_an_outcome_one_of_survival():
    columns = {"outcome": Column("target", "class"), "marker": Column("feature", "number", "mg/l")}
    labels = {"0": "well", "1": "sick"}
    assert table.outcome_of(columns, labels).kind == "binary"
    with_time = columns | {"months": Column("target", "number", "months")}
    found = table.outcome_of(with_time, labels)
    assert (found.kind, found.name, found.time_column, found.unit) == ("survival", "sick", "months", "months")


# Leaks


def identity(**columns: Column) -> Identity:
    return Identity(
        name="made",
        version=None,
        licence=None,
        citation=None,
        description=None,
        modality="other",
        labels={"0": "well", "1": "sick"},
        cases=1,
        subjects=1,
        root_sha256="0" * 64,
        columns={"outcome": Column("target", "class"), **columns},
    )


def case(case_id: str, subject: str | None = None, **values) -> Case:
    row = ImageFile(
        path="cases.csv",
        sha256="0" * 64,
        fault="no image",
        grid=None,
        pixel_type=None,
        volume=None,
        volume_sha256=None,
        voxels_sha256=reading.row_sha256(values),
        non_finite_voxels=None,
        identifying_text=(),
        intensity=None,
    )
    return Case(case_id, subject or case_id, {}, row, values=values)


def found_of(values: dict[str, list], **columns: Column) -> dict[str, str]:
    """check -> severity, of a table with these columns; every other case is sick."""
    n = len(next(iter(values.values())))
    cases = []
    for place in range(n):
        known = {name: column[place] for name, column in values.items() if column[place] is not None}
        cases.append(case(f"row_{place:03d}", outcome=("well", "sick")[place % 2], **known))
    return {one.check: one.severity for one in checks.of_records(identity(**columns), cases, LIMITS)}


NUMBER = Column("feature", "number", "")


@pytest.mark.requirement("SRS-ROW-2")
def test_a_measurement_that_is_no_leak_is_let_pass():
    assert found_of({"marker": list(rng().normal(size=60))}, marker=NUMBER) == {}


@pytest.mark.requirement("SRS-ROW-2")
@pytest.mark.parametrize(
    ("values", "check"),
    [
        ([0.5 * (place % 2) + 0.01 * place for place in range(60)], None),
        ([10.0 * (place % 2) + 0.001 * place for place in range(60)], "tells_alone"),
        ([-10.0 * (place % 2) + 0.001 * place for place in range(60)], "tells_alone"),  # the sick have less
        ([float(place) for place in range(60)], "identifier"),
        ([None if place % 2 else 0.37 * (place * 17 % 31) for place in range(60)], "missing_tells"),
    ],
)
def test_a_column_that_knows_the_outcome_is_an_error(values, check):
    errors = [
        name for name, severity in found_of({"marker": values}, marker=NUMBER).items() if severity == "error"
    ]
    assert errors == ([] if check is None else [check])


@pytest.mark.requirement("SRS-ROW-2")
def test_rows_that_stand_twice_are_told():
    cases = [case(f"row_{place:02d}", outcome="well", marker=float(place * place)) for place in range(6)]
    cases.append(case("again", outcome="well", marker=9.0))
    cases.append(case("other", outcome="sick", marker=16.0))
    found = {(one.case_id, one.check) for one in checks.of_records(identity(marker=NUMBER), cases, LIMITS)}
    assert ("again", "duplicate_row") in found
    assert any(check == "same_features" for _, check in found)


@pytest.mark.requirement("SRS-ROW-2")
def test_a_value_out_of_its_range_and_an_event_at_time_zero_are_errors():
    columns = {
        "marker": Column("feature", "number", "mg/l", 0, 1),
        "days": Column("target", "number", "days"),
    }
    cases = [case("a", outcome="sick", marker=2.0, days=3.0), case("b", outcome="well", marker=0.5, days=0.0)]
    found = {(one.case_id, one.check) for one in checks.of_records(identity(**columns), cases, LIMITS)}
    assert {("a", "column_range"), ("b", "time_zero")} <= found


# Encoding


@pytest.mark.requirement("SRS-ROW-1")
def test_encoding_fills_with_what_its_own_rows_say():
    x = np.array([[1, 0], [3, 2], [np.nan, 2], [100, np.nan]], np.float32)
    found = encoding.fitted(x, (AGE, GRADE))
    assert found.fill.tolist() == [3, 2]
    assert found.names((AGE, GRADE)) == (
        "age",
        "age is not known",
        "grade = II",
        "grade = III",
        "grade is not known",
    )
    expected = [[1, 0, 0, 0, 0], [3, 0, 0, 1, 0], [3, 1, 0, 1, 0], [100, 0, 0, 1, 1]]
    assert found(x).tolist() == expected


@pytest.mark.requirement("SRS-ROW-1")
def test_imputation_of_a_fold_does_not_see_the_rows_that_are_held_out():
    of = rows(60)
    x = of.x.copy()
    x[:30, 0], x[30:, 0] = 10, 1000
    x[0, 0] = x[40, 0] = np.nan
    first = encoding.fitted(x[:30], FEATURES)
    assert first.fill[0] == 10
    assert first(x[40:41])[0, 0] == 10


# Models


def test_boosting_of_a_binary_outcome_is_that_of_scikit_learn():
    of = rows(150)
    z = encoding.fitted(of.x, FEATURES)(of.x)
    found = fitting.boosted(z, of, BOOSTING)
    theirs = GradientBoostingClassifier(
        n_estimators=20, max_depth=2, learning_rate=0.1, min_samples_leaf=5, random_state=0
    ).fit(z, of.positive)
    assert found(z) == pytest.approx(theirs.decision_function(z), abs=1e-9)
    staged = list(theirs.staged_decision_function(z))
    assert found.staged(z)[:, 7] == pytest.approx(staged[6][:, 0], abs=1e-9)


def test_the_linear_model_of_a_binary_outcome_is_a_logistic_regression_with_a_ridge():
    of = rows(150)
    z = encoding.fitted(of.x, FEATURES)(of.x).astype(float)
    found = fitting.linear(z, of, 2.0)
    standard = (z - z.mean(0)) / z.std(0)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(standard, of.positive)
    assert found(z) == pytest.approx(theirs.decision_function(standard), abs=1e-4)


def test_the_linear_model_of_survival_is_coxs():
    of = rows(150, "survival")
    z = encoding.fitted(of.x, FEATURES)(of.x).astype(float)
    assert of.time is not None
    standard = (z - z.mean(0)) / z.std(0)
    theirs = cox.fit(standard, of.time, of.positive, 2.0)
    assert fitting.linear(z, of, 2.0).weight == pytest.approx(theirs.coefficients)


def test_boosting_of_survival_raises_the_partial_likelihood_with_each_tree():
    of = rows(200, "survival")
    z = encoding.fitted(of.x, FEATURES)(of.x)
    staged = fitting.boosted(z, of, BOOSTING).staged(z)
    losses = [fitting.loss(score, of) for score in staged.T]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))
    area = tuning.area(staged[:, -1], rows(400, "survival", seed=0).chosen(np.arange(200)))
    assert area is not None
    assert area > 0.65


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_rows_of_one_outcome_have_no_fit(kind):
    of = replace(rows(30, kind), positive=np.zeros(30, bool))
    z = encoding.fitted(of.x, FEATURES)(of.x)
    for attempt in (lambda: fitting.linear(z, of, 1.0), lambda: fitting.boosted(z, of, BOOSTING)):
        with pytest.raises(NoFitError):
            attempt()


def test_a_threshold_is_rounded_so_that_no_float32_changes_its_side():
    values = rng().normal(size=2000).astype(np.float32)
    threshold = (values[:1000].astype(float) + values[1000:]) / 2
    near = scores.rounded_down(threshold)
    for x in (values, np.nextafter(near, np.float32(np.inf)), near):
        assert ((x[:1000] <= near) == (x[:1000].astype(float) <= threshold)).all()


@pytest.mark.parametrize("kind", ["binary", "survival"])
@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_a_file_of_weights_gives_the_model_back(kind, name, tmp_path):
    found = fitted(kind, name)
    content = model.to_bytes({name: found})
    assert content == model.to_bytes({name: fitted(kind, name)})
    back = model.of_bytes(content, found.horizon)[name]
    assert (back.link_values(rows().x) == found.link_values(rows().x)).all()
    with pytest.raises(StageError, match="not the file of the run"):
        model.read(tmp_path / "gone", "0" * 64, None)


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_links_and_risks_are_inverse(kind):
    values = np.linspace(-4, 2, 13)
    assert model.linked(model.risks(values, kind), kind) == pytest.approx(values)
    shifted = model.risks(values, kind, Line(2.0, -1.0))
    assert model.linked(shifted, kind) == pytest.approx(2 * values - 1, abs=1e-6)


def test_survival_by_the_horizon_is_that_of_the_baseline():
    of = rows(200, "survival")
    found = fitted("survival", "linear", of)
    assert found.baseline is not None
    expected = 1 - found.baseline.survival(found.score(found.encoding(of.x)), np.array([1.0]))[:, 0]
    assert model.risks(found.link_values(of.x), "survival") == pytest.approx(expected)


def settings(**more) -> TrainParams:
    section = BoostingSection((1, 2), 15, 0.2, 5)
    return TrainParams("linear", (0.1, 10.0), section, 3, None, (), 0, **more)


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_tuning_takes_what_loses_least_over_folds(name):
    found = tuning.TUNED[name](rows(150), FEATURES, settings())
    losses = [one.loss for one in found.candidates]
    [best] = [one for one in found.candidates if one.chosen]
    assert best.loss == min(losses)
    assert len(found.areas) == 3
    assert found.boosting is None or found.boosting.trees == best.trees


@pytest.mark.requirement("SRS-ROW-1")
@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_each_fold_is_judged_by_a_model_that_its_rows_had_no_part_in(name):
    """A number that is known of few, and of each fold in another range: what stands where it is not known
    differs by what the rows that are held out would add."""
    of, asked = rows(150), settings()
    fold_of = splits.assign_folds(sorted(of.subjects), asked.folds, asked.seed)
    folds = np.array([fold_of[subject] for subject in of.subjects])
    x = of.x.copy()
    x[:, 1] = np.where(rng(3).random(150) < 0.3, x[:, 1] + 100 * folds, np.nan)
    of = replace(of, x=x)
    found = tuning.TUNED[name](of, FEATURES, asked)
    expected = []
    for fold in range(asked.folds):
        held_out = of.chosen(folds == fold)
        one = tuning.fitted(of.chosen(folds != fold), FEATURES, found, None)
        expected.append(fitting.loss(one.score(one.encoding(held_out.x)), held_out))
    [best] = [one for one in found.candidates if one.chosen]
    assert best.loss == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.requirement("SRS-ROW-1")
def test_a_group_that_is_held_out_is_judged_by_a_model_of_the_others():
    of = rows(200)
    cases = [
        Case(name, name, {"site": "AB"[place % 2]}, case(name).image, values={})
        for place, name in enumerate(of.case_ids)
    ]
    chosen = tuning.Chosen(1.0, None, (), ())
    found = transport.held_out(cases, of, FEATURES, chosen, None, ["site"])
    assert [(row.group, row.n_cases) for row in found] == [("A", 100), ("B", 100)]
    others = tuning.fitted(of.chosen(np.arange(200) % 2 == 1), FEATURES, chosen, None)
    inside = of.chosen(np.arange(200) % 2 == 0)
    assert found[0].concordance == tuning.area(others.link_values(inside.x), inside)
    assert "found 1 groups" in transport.faults(cases[::2], ["site"])[0]


# The graph


@pytest.mark.parametrize("kind", ["binary", "survival"])
@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_the_graph_tells_what_the_model_tells(kind, name):
    found, line = fitted(kind, name), Line(0.9, -0.2)
    x = rows(300, kind, seed=5).x
    x[::7, 0] = np.nan
    x[::5, 2] = np.nan
    content = graph.written(found, line, 3, 18, {"run_id": "0"})
    assert content == graph.written(found, line, 3, 18, {"run_id": "0"})
    told = graph.session(content)(x)
    values = found.link_values(x)
    assert told[graph.LINK] == pytest.approx(values, abs=1e-5)
    assert told[graph.RISK] == pytest.approx(model.risks(values, found.kind, line), abs=1e-6)


# Explanations


@pytest.mark.parametrize("kind", ["binary", "survival"])
@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_shapley_values_are_those_of_their_definition(kind, name):
    found = fitted(kind, name)
    x, background = rows(4, seed=3).x, rows(6, seed=4).x
    values, base = explain.shapley(found, x, background)
    assert base + values.sum(1) == pytest.approx(found.link_values(x), abs=1e-9)
    k = x.shape[1]

    def game(row: np.ndarray, inside: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(inside)] = row[list(inside)]
        return float(found.link_values(mixed).mean())

    for row, told in zip(x, values, strict=True):
        for feature in range(k):
            others = [place for place in range(k) if place != feature]
            expected = 0.0
            for size in range(k):
                weight = factorial(size) * factorial(k - size - 1) / factorial(k)
                for inside in itertools.combinations(others, size):
                    expected += weight * (game(row, (*inside, feature)) - game(row, inside))
            assert told[feature] == pytest.approx(expected, abs=1e-9)


def test_dependence_on_a_feature_that_does_not_count_is_flat():
    found = fitted("binary", "linear")
    flat = replace(found, score=replace(found.score, weight=np.zeros_like(found.score.weight)))
    values = explain.grid(AGE, rows().x[:, 0], 5)
    mean, low, high = explain.dependence(flat, model.AS_IT_IS, rows().x, 0, values)
    assert np.ptp(mean) == 0
    assert (low == high).all()
    rising, _, _ = explain.dependence(found, model.AS_IT_IS, rows().x, 0, values)
    assert (np.diff(rising) > 0).all()


# Perturbations


def test_perturbations_change_what_they_say():
    x = rows(2000).x
    known = ~np.isnan(x)
    noisy = perturbations.noise(x, 0.5, x, FEATURES, rng())
    moved = (noisy - x)[:, 0] / np.nanstd(x[:, 0])
    assert np.nanstd(moved) == pytest.approx(0.5, rel=0.05)
    assert (noisy[:, 2] == x[:, 2]).all()
    assert noisy[:, 0].max() <= 120
    gone = perturbations.missing(x, 0.3, x, FEATURES, rng())
    assert np.isnan(gone[known]).mean() == pytest.approx(0.3, abs=0.02)
    wrong = perturbations.mistaken(x, 0.2, x, FEATURES, rng())
    assert (wrong[:, 0] != x[:, 0]).mean() == pytest.approx(0.2, abs=0.03)
    assert np.isnan(perturbations.lost(x, 1)[:, 1]).all()


# Tables of packages


def test_the_table_of_scikit_learn_is_laid_out_with_malignant_as_the_event(tmp_path):
    from sklearn.datasets import load_breast_cancer

    assert shipped.TABLES["wdbc"].write(tmp_path) == 569
    found = reading.read_dataset(tmp_path)
    theirs = load_breast_cancer()
    sick = [case.values["outcome"] == "malignant" for case in found.cases]
    assert sick == (theirs.target == 0).tolist()
    assert [case.values["worst_area"] for case in found.cases] == theirs.data[:, 23].tolist()
    assert table.faults(found.columns) == []


def test_a_table_that_is_not_there_or_another_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "BESIDE", tmp_path)
    gone = replace(shipped.TABLES["wdbc"], path="nothing/of/this.csv")
    with pytest.raises(StageError, match="is not there"):
        gone.found()
    other = tmp_path / shipped.TABLES["wdbc"].path
    other.parent.mkdir(parents=True)
    other.write_text("1,2\n")
    with pytest.raises(StageError, match="it is another table"):
        shipped.TABLES["wdbc"].found()


def test_the_rows_of_gbsg2_are_read_as_their_columns_say():
    text = (
        "horTh,age,menostat,tsize,tgrade,pnodes,progrec,estrec,time,cens\n"
        "yes,56,Post,12,II,7,61,77,2018,1\nno,40,Pre,20,I,1,0,0,500,0\n"
    )
    of = shipped.TABLES["gbsg2"].rows(text)
    assert [row["outcome"] for row in of] == ["recurrence", "no recurrence"]
    assert of[0]["menopause"] == "post"
    declared = {**shipped.TABLES["gbsg2"].about, "columns": shipped.TABLES["gbsg2"].columns}
    assert set(of[0]) == {"case_id", "subject_id", *json.loads(json.dumps(declared))["columns"]}
