"""Differences -> statements: one module per kind, and the registry of their rules. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.ddl.columns import ColumnRule
from reconciler.ddl.constraints import ConstraintRule, DomainConstraintRule
from reconciler.ddl.database import (
    AccessMethodRule,
    CastRule,
    EventTriggerRule,
    LanguageRule,
    PublicationMemberRule,
    PublicationRule,
    SettingRule,
    SubscriptionRule,
    TransformRule,
)
from reconciler.ddl.defaults import DefaultRule
from reconciler.ddl.foreign import ForeignDataWrapperRule, ForeignServerRule, UserMappingRule
from reconciler.ddl.indexes import IndexRule
from reconciler.ddl.operators import (
    CollationRule,
    ConversionRule,
    OperatorClassRule,
    OperatorFamilyRule,
    OperatorRule,
)
from reconciler.ddl.other_types import BaseTypeRule, RangeTypeRule
from reconciler.ddl.privileges import DefaultPrivilegesRule, PrivilegesRule
from reconciler.ddl.routines import AggregateRule, RoutineRule
from reconciler.ddl.satellites import CommentRule, OwnerRule, SecurityLabelRule
from reconciler.ddl.schemas import ExtensionRule, SchemaRule
from reconciler.ddl.sequences import OwnedByRule, SequenceRule
from reconciler.ddl.statistics import StatisticsRule
from reconciler.ddl.tables import InheritanceRule, TableRule
from reconciler.ddl.text_search import (
    TextSearchConfigurationRule,
    TextSearchDictionaryRule,
    TextSearchParserRule,
    TextSearchTemplateRule,
)
from reconciler.ddl.triggers import PolicyRule, RewriteRule, TriggerRule
from reconciler.ddl.types import CompositeTypeRule, DomainRule, EnumRule
from reconciler.ddl.views import MaterializedViewRule, ViewRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.ddl.rule import Rule

__all__ = ["RULES"]

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
