"""Evaluates untrusted formulas: names, numbers, operators, comparisons and an allow-list of functions, on numpy arrays.

A formula is parsed by Python's `ast`, and only the node types listed here are accepted: no attributes, subscripts, other
calls or text. All numbers are floats, so that 9**9**9 is infinite at once instead of taking long.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

from jobs.engine.kits.simulation import formula_hints
from jobs.engine.validation import nearest

LONGEST = 2_000  # characters
MOST_PARTS = 400
CONSTANTS = {"pi": 3.141592653589793, "e": 2.718281828459045}

# By name: the minimum and maximum number of arguments, and numpy's name.
FUNCTIONS = {
    **{name: (1, 1, name) for name in ("abs", "sqrt", "exp", "log10", "sin", "cos", "tan", "floor", "ceil", "sign")},
    "log": (1, 1, "log"),
    "round": (1, 2, "round"),
    "min": (2, 20, "minimum"),
    "max": (2, 20, "maximum"),
    "where": (3, 3, "where"),
    "clip": (3, 3, "clip"),
}
BINARY: dict[type[ast.operator], str] = {
    **{ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"},
    **{ast.Pow: "float_power", ast.Mod: "mod", ast.FloorDiv: "floor_divide"},
}
COMPARED: dict[type[ast.cmpop], str] = {
    **{ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater", ast.GtE: "greater_equal"},
    **{ast.Eq: "equal", ast.NotEq: "not_equal"},
}


class FormulaError(ValueError):
    """The formula is not valid; the message says why."""


class Formula:
    """`Formula(text).value({"price": array, ...})`. `names`: the sorted names that it uses. Raises FormulaError."""

    def __init__(self, text: str):
        if hint := formula_hints.always_wrong(text):
            raise FormulaError(hint)
        try:
            self._tree = _parsed(text)
            parts = list(ast.walk(self._tree))
            if len(parts) > MOST_PARTS:
                raise FormulaError("The formula is too long. Split it, or name a part of it as an input.")
            _check(self._tree)
        except FormulaError as error:
            raise FormulaError(formula_hints.hint(text) or str(error)) from None
        called = {node.func for node in parts if isinstance(node, ast.Call)}
        found = (node.id for node in parts if isinstance(node, ast.Name) and node not in called)
        self.names = sorted({name for name in found if name not in CONSTANTS})

    def value(self, values: Mapping[str, Any]) -> Any:
        """The formula's value: an array of floats as long as the inputs, or one number if it uses none."""
        import numpy

        with numpy.errstate(all="ignore"):  # the caller counts values that are not finite
            return numpy.asarray(_value(self._tree, values), dtype=float)


def _parsed(text: str) -> ast.expr:
    if not text.strip():
        raise FormulaError("Write a formula, such as (price - cost) * units.")
    if len(text) > LONGEST:
        raise FormulaError(f"The formula has {len(text):,} characters; the limit is {LONGEST:,}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of 2(x), which is refused by _check
            return ast.parse(" ".join(text.split()), mode="eval").body
    except SyntaxError as error:
        near = (error.text or "").strip()[:40]
        raise FormulaError(f"The formula cannot be read{f', near “{near}”' if near else ''}.") from None
    except (ValueError, MemoryError, RecursionError):
        raise FormulaError(
            "The formula cannot be read: it is nested too deeply, or has a character that is not allowed."
        ) from None


def _check(node: ast.expr) -> None:
    """Raise FormulaError for a node that is not on the allow-lists."""
    match node:
        case ast.Constant(value=bool() | int() | float() as number) if _is_float(number):
            return
        case ast.Name(id=name) if name not in FUNCTIONS:
            return
        case ast.BinOp(op=op) if type(op) in BINARY:
            _check_all(node.left, node.right)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not()):
            _check(node.operand)
        case ast.Compare(ops=ops) if all(type(op) in COMPARED for op in ops):
            _check_all(node.left, *node.comparators)
        case ast.BoolOp():
            _check_all(*node.values)
        case ast.IfExp():
            _check_all(node.test, node.body, node.orelse)
        case ast.Call(func=ast.Name(id=name)) if not node.keywords:
            _check_call(name, node.args)
        case _:
            raise FormulaError(f"“{_shown(node)}” is not allowed. {ALLOWED}")


ALLOWED = f"A formula has names, numbers, + - * / **, comparisons, “a if b else c”, and {', '.join(sorted(FUNCTIONS))}."


def _check_all(*nodes: ast.expr) -> None:
    for node in nodes:
        _check(node)


def _check_call(name: str, arguments: list[ast.expr]) -> None:
    if name not in FUNCTIONS:
        near = nearest(name, FUNCTIONS)
        hint = f" Did you mean {near}?" if near else ""
        raise FormulaError(f"There is no function “{name[:40]}”.{hint} {ALLOWED}")
    least, most, _ = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise FormulaError(f"{name} takes {wanted} arguments, not {len(arguments)}.")
    _check_all(*arguments)


def _is_float(number: float) -> bool:
    try:
        float(number)
    except OverflowError:
        raise FormulaError("A number in the formula has too many digits. Write it as 1e300.") from None
    return True


def _shown(node: ast.expr) -> str:
    try:
        return ast.unparse(node)[:60]
    except (ValueError, RecursionError):
        return type(node).__name__


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    import numpy

    match node:
        case ast.Constant(value=bool() | int() | float() as number):
            return numpy.float64(number)
        case ast.Name(id=name):
            return values[name] if name in values else numpy.float64(CONSTANTS[name])
        case ast.BinOp(left=left, op=op, right=right):
            return getattr(numpy, BINARY[type(op)])(_value(left, values), _value(right, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return numpy.logical_not(_value(operand, values))
        case ast.UnaryOp(op=op, operand=operand):
            return -_number(_value(operand, values)) if isinstance(op, ast.USub) else _value(operand, values)
        case ast.Compare():
            return _compared(node, values)
        case ast.BoolOp(op=op, values=parts):
            joined = numpy.logical_and if isinstance(op, ast.And) else numpy.logical_or
            return _folded(joined, [_value(part, values) for part in parts])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return numpy.where(_value(test, values), _value(body, values), _value(orelse, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _called(name, [_value(argument, values) for argument in arguments])
    raise AssertionError(f"{type(node).__name__} got past the list")


def _compared(node: ast.Compare, values: Mapping[str, Any]) -> Any:
    import numpy

    sides = [_value(side, values) for side in (node.left, *node.comparators)]
    each = [getattr(numpy, COMPARED[type(op)])(*sides[at : at + 2]) for at, op in enumerate(node.ops)]
    return _folded(numpy.logical_and, each)


def _called(name: str, arguments: list[Any]) -> Any:
    import numpy

    function = getattr(numpy, FUNCTIONS[name][2])
    if name in ("min", "max"):
        return _folded(function, arguments)
    if name == "round":
        factor = numpy.float_power(10.0, arguments[1]) if arguments[1:] else 1.0
        return numpy.rint(arguments[0] * factor) / factor
    return function(*map(_number, arguments)) if name != "where" else function(*arguments)


def _folded(function: Any, parts: list[Any]) -> Any:
    first, *rest = parts
    for part in rest:
        first = function(first, part)
    return first


def _number(value: Any) -> Any:
    """Booleans as 1 and 0, because numpy cannot negate them or take their root."""
    import numpy

    return numpy.asarray(value, dtype=float)
