"""Graph: the released model as ONNX, from what a table says to a calibrated risk.

Written from the arrays of the fitted model and not by a converter, so that imputation, calibration and
baseline are in the file, and a threshold of a tree falls on the same side of a float32 there as here.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from radiotrace.tabular.encoding import MISSING, VALUE
from radiotrace.tabular.model import Line, RiskModel
from radiotrace.tabular.scores import LEAF, Linear, Trees

INPUT, LINK, RISK = "features", "link", "risk"
ML_OPSET = 3  # of ai.onnx.ml, whose trees ONNX Runtime has
IR_VERSION = 10


class _Nodes:
    """Nodes and constants, gathered one after the other."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """A constant by its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes) -> str:
        """A node with one output, which names it."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output


def written(fitted: RiskModel, line: Line, n_features: int, opset: int, saying: Mapping[str, str]) -> bytes:
    """The file of a model: features (n, k) float32, NaN for what is not known -> link and risk, (n, 1).

    Args:
        line: calibration.
        opset: ONNX operator set.
        saying: key -> value of its metadata.
    """
    graph = _Nodes()
    encoded = _encoded(graph, fitted)
    score = (
        _linear(graph, encoded, fitted.score, fitted.offset)
        if isinstance(fitted.score, Linear)
        else _trees(graph, encoded, fitted.score, fitted.offset)
    )
    _risk(graph, score, line, fitted.kind == "binary")
    made = helper.make_graph(
        graph.nodes,
        "risk",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", n_features])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in (LINK, RISK)],
        graph.constants,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    file = helper.make_model(made, opset_imports=imports, ir_version=IR_VERSION, producer_name="radiotrace")
    helper.set_model_props(file, dict(sorted(saying.items())))
    onnx.checker.check_model(file, full_check=True)
    return file.SerializeToString(deterministic=True)


def _encoded(graph: _Nodes, fitted: RiskModel) -> str:
    """What encoding.Encoding does, column by column."""
    encoding = fitted.encoding
    raw = graph.add("Gather", [INPUT, graph.constant("column", encoding.column)], "raw", axis=1)
    unknown = graph.add("IsNaN", [raw], "is_unknown")
    fill = graph.constant("fill", encoding.fill[encoding.column])
    filled = graph.add("Where", [unknown, fill, raw], "filled")
    codes = graph.constant("code", encoding.code.astype(np.float32))
    is_category = graph.add("Equal", [filled, codes], "is_category")
    as_category = graph.add("Cast", [is_category], "as_category", to=TensorProto.FLOAT)
    as_unknown = graph.add("Cast", [unknown], "as_unknown", to=TensorProto.FLOAT)
    is_missing = graph.constant("is_missing", encoding.code == MISSING)
    is_value = graph.constant("is_value", encoding.code == VALUE)
    coded = graph.add("Where", [is_missing, as_unknown, as_category], "coded")
    return graph.add("Where", [is_value, filled, coded], "encoded")


def _linear(graph: _Nodes, encoded: str, score: Linear, offset: float) -> str:
    """In 64 bits, as the fit was."""
    wide = graph.add("Cast", [encoded], "wide", to=TensorProto.DOUBLE)
    centred = graph.add("Sub", [wide, graph.constant("centre", score.centre)], "centred")
    standard = graph.add("Div", [centred, graph.constant("scale", score.scale)], "standard")
    summed = graph.add("MatMul", [standard, graph.constant("weight", score.weight[:, None])], "summed")
    return graph.add(
        "Add", [summed, graph.constant("intercept", np.array([score.intercept + offset]))], "score"
    )


def _trees(graph: _Nodes, encoded: str, score: Trees, offset: float) -> str:
    """One node of ai.onnx.ml for all trees."""
    tree_ids, node_ids = np.nonzero(_reached(score))
    is_leaf = score.left[tree_ids, node_ids] == LEAF
    leaves = np.flatnonzero(is_leaf)
    found = graph.add(
        "TreeEnsembleRegressor",
        [encoded],
        "trees",
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[float(score.start + offset)],
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=node_ids.tolist(),
        nodes_featureids=score.column[tree_ids, node_ids].tolist(),
        nodes_values=score.threshold[tree_ids, node_ids].astype(float).tolist(),
        nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf],
        nodes_truenodeids=np.where(is_leaf, 0, score.left[tree_ids, node_ids]).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, score.right[tree_ids, node_ids]).tolist(),
        nodes_missing_value_tracks_true=[0] * len(tree_ids),
        target_treeids=tree_ids[leaves].tolist(),
        target_nodeids=node_ids[leaves].tolist(),
        target_ids=[0] * len(leaves),
        target_weights=score.value[tree_ids[leaves], node_ids[leaves]].tolist(),
    )
    return graph.add("Cast", [found], "score", to=TensorProto.DOUBLE)


def _reached(score: Trees) -> np.ndarray:
    """(trees, nodes) bool: which are nodes, and no padding."""
    reached = np.zeros(score.left.shape, bool)
    reached[:, 0] = True
    for children in (score.left, score.right):
        trees, nodes = np.nonzero(children != LEAF)
        reached[trees, children[trees, nodes]] = True
    return reached


def _risk(graph: _Nodes, score: str, line: Line, is_binary: bool) -> None:
    sloped = graph.add("Mul", [score, graph.constant("slope", np.array([line.slope]))], "sloped")
    value = graph.add("Add", [sloped, graph.constant("shift", np.array([line.intercept]))], "calibrated")
    if is_binary:
        risk = graph.add("Sigmoid", [value], "risk_64")
    else:
        hazard = graph.add("Exp", [value], "hazard")
        left = graph.add("Exp", [graph.add("Neg", [hazard], "minus_hazard")], "survival")
        risk = graph.add("Sub", [graph.constant("one", np.array([1.0])), left], "risk_64")
    graph.add("Cast", [score], LINK, to=TensorProto.FLOAT)
    graph.add("Cast", [risk], RISK, to=TensorProto.FLOAT)


def session(content: bytes) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
    """The released file in ONNX Runtime: rows (n, k) float32 -> LINK and RISK, (n,)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    running = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(x: np.ndarray) -> Mapping[str, np.ndarray]:
        found = running.run([LINK, RISK], {INPUT: np.asarray(x, np.float32)})
        return {name: np.asarray(of)[:, 0] for name, of in zip((LINK, RISK), found, strict=True)}

    return run
