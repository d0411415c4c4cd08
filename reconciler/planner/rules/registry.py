"""Differences -> statements: one module per kind, and the registry of their rules. Pure: no I/O.

Who does what:

    planner           what happens to each fact, in which order, by which statement
    rule              what a rule is, what it may know, a statement in the making
    nodes, bodies     what is put in order; what of it pg_depend does not know
    stages            the statements in order as steps: before the one transaction, in it, after it

The rules of kinds:

    schemas, tables, columns, defaults, constraints, indexes, views, triggers, sequences, routines, types, other_types,
    operators, text_search, statistics, foreign, database, privileges, satellites

A column:

    column_text       how it is written
    new_columns       it comes to a table that is there; hinted_values, numbering: what its rows get
    column_types      it changes its type; casts, widening: between which types, and what that does to values
    not_null, identity, generated_columns
                      what it has beside its type and default
    inherited_columns, own_columns
                      what it has from its table's parents, and in a way of its own all the same

What is made anew while values or rows are kept:

    parking           columns of a type that goes and comes
    row_types         columns that hold rows of such a table
    moving            tables that cannot be altered
    typed_tables      tables that follow a type
    inheriting        tables whose parents change
    renames           what goes on under another name

Partitions, and large tables:

    partitions        how their indexes and keys belong to their parent's
    bounds, displaced which rows are within its bounds; those that belong to another one move there
    detaching         how one leaves
    online            which facts are changed in steps that hold nobody up
    online_indexes, shadow
                      indexes and columns that are built beside those they replace

What a plan says beside its statements:

    checks, value_checks, rows
                      what is asked of the rows before the first lock
    consequences      what follows whichever statement does it: clients, protection, aftermath
    lock_windows      which tables wait for others

How text is written and read:

    text, names       identifiers and literals; the names of objects
    options, sequence_values, constraint_marks
                      parts of several kinds' statements
    printed           lists that Postgres printed
    migra             what schemainspect and migra write
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planner.rules.columns import ColumnRule
from reconciler.planner.rules.comments_owners_labels import CommentRule, OwnerRule, SecurityLabelRule
from reconciler.planner.rules.constraints import ConstraintRule, DomainConstraintRule
from reconciler.planner.rules.database_wide import (
    AccessMethodRule,
    CastRule,
    EventTriggerRule,
    LanguageRule,
    TransformRule,
)
from reconciler.planner.rules.defaults import DefaultRule
from reconciler.planner.rules.foreign_data import ForeignDataWrapperRule, ForeignServerRule, UserMappingRule
from reconciler.planner.rules.indexes import IndexRule
from reconciler.planner.rules.inheritance import InheritanceRule
from reconciler.planner.rules.operators import (
    CollationRule,
    ConversionRule,
    OperatorClassRule,
    OperatorFamilyRule,
    OperatorRule,
)
from reconciler.planner.rules.privileges import DefaultPrivilegesRule, PrivilegesRule
from reconciler.planner.rules.range_and_base_types import BaseTypeRule, RangeTypeRule
from reconciler.planner.rules.replication import PublicationMemberRule, PublicationRule, SubscriptionRule
from reconciler.planner.rules.routines import AggregateRule, RoutineRule
from reconciler.planner.rules.schemas import ExtensionRule, SchemaRule
from reconciler.planner.rules.sequences import OwnedByRule, SequenceRule
from reconciler.planner.rules.settings import SettingRule
from reconciler.planner.rules.statistics import StatisticsRule
from reconciler.planner.rules.tables import TableRule
from reconciler.planner.rules.text_search import (
    TextSearchConfigurationRule,
    TextSearchDictionaryRule,
    TextSearchParserRule,
    TextSearchTemplateRule,
)
from reconciler.planner.rules.triggers import PartitionTriggerRule, PolicyRule, RewriteRule, TriggerRule
from reconciler.planner.rules.types import CompositeTypeRule, DomainRule, EnumRule
from reconciler.planner.rules.views import MaterializedViewRule, ViewRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.facts import FactId
    from reconciler.planner.core.rule import Rule

__all__ = ["RULES", "rule_of"]


def rule_of(fact: FactId) -> Rule:
    return RULES[fact.kind]


_RULES: tuple[Rule, ...] = (
    SchemaRule(),
    ExtensionRule(),
    EnumRule(),
    DomainRule(),
    DomainConstraintRule(),
    CompositeTypeRule(),
    SequenceRule(),
    OwnedByRule(),
    RoutineRule(),
    AggregateRule(),
    TableRule(),
    InheritanceRule(),
    ColumnRule(),
    DefaultRule(),
    ConstraintRule(),
    IndexRule(),
    ViewRule(),
    MaterializedViewRule(),
    TriggerRule(),
    PartitionTriggerRule(),
    RewriteRule(),
    PolicyRule(),
    LanguageRule(),
    AccessMethodRule(),
    TransformRule(),
    CastRule(),
    ForeignDataWrapperRule(),
    ForeignServerRule(),
    UserMappingRule(),
    PublicationRule(),
    PublicationMemberRule(),
    SubscriptionRule(),
    EventTriggerRule(),
    SettingRule(),
    CollationRule(),
    RangeTypeRule(),
    BaseTypeRule(),
    OperatorRule(),
    OperatorFamilyRule(),
    OperatorClassRule(),
    ConversionRule(),
    TextSearchParserRule(),
    TextSearchTemplateRule(),
    TextSearchDictionaryRule(),
    TextSearchConfigurationRule(),
    StatisticsRule(),
    DefaultPrivilegesRule(),
    CommentRule(),
    OwnerRule(),
    SecurityLabelRule(),
    PrivilegesRule(),
)

RULES: Mapping[str, Rule] = {kind: rule for rule in _RULES for kind in rule.kinds}
