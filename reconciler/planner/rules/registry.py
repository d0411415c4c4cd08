"""The registry: the rule of each kind. Pure: no I/O."""

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
