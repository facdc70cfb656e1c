"""Documents: each is read once, which is parsing, guarding and validating it, and is kept with what executing it compiles.

A refused document is kept too, so asking it again costs nothing.  What is kept is bounded by count and by weight.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FieldsOnCorrectTypeRule,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    ValueNode,
    VariableNode,
    parse,
    specified_rules,
    validate,
)

from ..catalog.errors import BadRequest
from ..catalog.limits import DocumentRules
from .guard import Measure, Measured, measured, over_limit, over_limits
from .projection import Selections

MAX_DOCUMENTS = 256
MAX_WEIGHT = 1_000_000  # characters; a field weighs as much as FIELD_WEIGHT of them, for what executing it keeps
FIELD_WEIGHT = 50
MOST_NAMED = 10  # operations that a message lists
MAX_ERRORS = 5  # of one document, as validation finds them

_ABORTED = ("tokens. Parsing aborted.", "comments. Parsing aborted.")  # how the parser ends what it says of a limit


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that may be executed, by its name in the document."""

    name: str | None
    kind: OperationType
    measure: Measure
    defaults: Mapping[str, int]  # of its variables, where they are whole numbers
    named_accounts: tuple[ValueNode, ...] = ()  # as its root fields write them

    def rows(self, variables: Mapping[str, Any]) -> int:
        return self.measure.rows_with({**self.defaults, **variables})

    def accounts(self, variables: Mapping[str, Any]) -> list[str]:
        """The accounts that its root fields are about, known before anything is executed."""
        named = (
            variables.get(node.name.value) if isinstance(node, VariableNode) else getattr(node, "value", None)
            for node in self.named_accounts
        )
        return [account for account in named if isinstance(account, str)]


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read: errors, or what can be executed; its operations are known either way."""

    rules: DocumentRules
    errors: tuple[GraphQLError, ...] = ()
    node: DocumentNode | None = None
    operations: tuple[Operation, ...] = ()
    selections: Selections = field(default_factory=Selections)
    weight: int = 0

    def named(self, operation_name: str | None) -> list[Operation]:
        """The operations that may be meant: the one of that name, or all when none is named."""
        return [operation for operation in self.operations if operation_name in (None, operation.name)]

    def refused(self, operation_name: str | None, variables: Mapping[str, Any]) -> tuple[GraphQLError, ...]:
        """Why this operation cannot be executed with these variables; nothing when it can."""
        if self.errors:
            return self.errors
        named = self.named(operation_name)
        if len(named) != 1:
            return (GraphQLError(_which(operation_name, self.operations)),)
        refusal = over_limit(self.rules, "max_rows", named[0].rows(variables))
        return (_told(refusal),) if refusal else ()


def read_document(text: str, schema: GraphQLSchema, rules: DocumentRules) -> Document:
    """Parse, guard and validate, each only when the one before had nothing to say.  Never raises."""
    try:
        node = _parsed(text, rules)
    except GraphQLError as error:
        return Document(rules, (error,), weight=len(text))
    found = measured(node, schema)
    weight = len(text) + FIELD_WEIGHT * sum(measure.fields for _, measure in found.definitions)
    refusal = over_limits(found, rules)
    errors = (_told(refusal),) if refusal else tuple(_invalid(node, found, schema, rules))
    operations = tuple(_operations(found))
    if errors:
        return Document(rules, errors, operations=operations, weight=weight)
    return Document(rules, (), node, operations, Selections(found.switches), weight)


class Documents:
    """The documents read last, under the same rules and for one schema."""

    def __init__(self, rules: DocumentRules | None = None) -> None:
        self.rules = rules or DocumentRules()
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def weight(self) -> int:
        return self._weight

    def read(self, text: str, schema: GraphQLSchema) -> Document:
        """The document of that text, read now or before."""
        with self._lock:
            document = self._kept.get(text)
            if document is not None:
                self._kept.move_to_end(text)
                return document
        document = read_document(text, schema, self.rules)
        with self._lock:
            self._keep(text, document)
        return document

    def _keep(self, text: str, document: Document) -> None:
        replaced = self._kept.pop(text, None)
        self._kept[text] = document
        self._weight += document.weight - (replaced.weight if replaced else 0)
        while len(self._kept) > MAX_DOCUMENTS or (self._weight > MAX_WEIGHT and self._kept):
            _, dropped = self._kept.popitem(last=False)
            self._weight -= dropped.weight


# --- reading ------------------------------------------------------------------------------------------------------


def _parsed(text: str, rules: DocumentRules) -> DocumentNode:
    """The document's syntax tree, as far as length and tokens allow.  Raises ``GraphQLError``."""
    refusal = over_limit(rules, "max_document_length", len(text))
    if refusal:
        raise _told(refusal)
    tokens = rules.limits["max_document_tokens"]
    at_most = tokens if rules.enforced else None
    try:
        node = parse(text, max_lexical_tokens=at_most, max_comments=at_most)
    except GraphQLError as error:
        aborted = error.message.endswith(_ABORTED)
        refusal = over_limit(rules, "max_document_tokens", tokens + 1) if aborted else None
        if refusal:
            raise _told(refusal) from None
        raise
    over_limit(rules, "max_document_tokens", node.token_count)
    return node


def _invalid(node: DocumentNode, found: Measured, schema: GraphQLSchema, rules: DocumentRules) -> list[GraphQLError]:
    """What the rules of the language say; nothing but unknown fields where those are as many as are told anyway."""
    if sum(measure.unknown for _, measure in found.definitions) > MAX_ERRORS:
        applied: list[Any] = [FieldsOnCorrectTypeRule]
        return validate(schema, node, applied, max_errors=MAX_ERRORS, hide_suggestions=not rules.suggestions)
    return _invalid_by_all_rules(node, schema, rules)


def _invalid_by_all_rules(node: DocumentNode, schema: GraphQLSchema, rules: DocumentRules) -> list[GraphQLError]:
    """One of the rules compares fields in pairs, so its steps are counted."""
    comparing: list[OverlappingFieldsCanBeMergedRule] = []
    most = rules.limits["max_comparisons"]

    def compare_fields(context: ValidationContext) -> OverlappingFieldsCanBeMergedRule:
        rule = OverlappingFieldsCanBeMergedRule(context)
        if rules.enforced:
            rule.rule_context.remaining_complexity_budget = most
        comparing.append(rule)
        return rule

    applied = [compare_fields if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules]
    if not rules.introspection:
        applied.append(NoSchemaIntrospectionCustomRule)
    errors = validate(schema, node, cast("Any", applied), max_errors=MAX_ERRORS, hide_suggestions=not rules.suggestions)
    left = comparing[0].rule_context.remaining_complexity_budget
    refusal = over_limit(rules, "max_comparisons", most - left) if rules.enforced and left < 0 else None
    return [_told(refusal)] if refusal else errors


def _operations(found: Measured) -> list[Operation]:
    return [
        Operation(
            node.name.value if node.name else None, node.operation, measure, _defaults(node), _named_accounts(node)
        )
        for node, measure in found.definitions
        if isinstance(node, OperationDefinitionNode)
    ]


def _defaults(node: OperationDefinitionNode) -> dict[str, int]:
    return {
        variable.variable.name.value: int(variable.default_value.value[:9])
        for variable in node.variable_definitions or ()
        if isinstance(variable.default_value, IntValueNode)
    }


def _named_accounts(node: OperationDefinitionNode) -> tuple[ValueNode, ...]:
    return tuple(
        argument.value
        for selected in node.selection_set.selections
        if isinstance(selected, FieldNode)
        for argument in selected.arguments or ()
        if argument.name.value == "accountId"
    )


def _which(operation_name: str | None, operations: Iterable[Operation]) -> str:
    listed = ", ".join([operation.name for operation in operations if operation.name][:MOST_NAMED])
    if operation_name is not None:
        return f"There is no operation '{operation_name[:80]}' in the document"
    if not listed:
        return "There is no operation in the document"
    return f"The document holds several operations: name one in operationName ({listed})"


def _told(refusal: BadRequest) -> GraphQLError:
    return GraphQLError(refusal.message, original_error=refusal)
